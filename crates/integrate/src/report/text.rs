//! Every text of the reports, in Spanish of Mexico first and in English.
//!
//! One struct, two constants: a text that is missing in either language does not compile. The voice is that of people
//! who help: short sentences, "tú", what to do before what was done, no blame; the two sides are named by their time,
//! never by their server. The words are "unir", "correo de antes", "correo nuevo", "espacio", "respaldo", "responsable
//! del dominio".

use super::format::number;
use super::model::{Case, ConflictKind, DamageReason, EvidenceFact, NoticeKind, PasswordOrigin, State, UidDecision};
use super::sentence::Language;
use super::verdict::{Grade, ReasonKind, VerdictWord};
use crate::ledger::{LineageRole, Outcome};

type Counted = fn(u64) -> String;

/// The texts of one language.
pub(super) struct Texts {
    // The sentence.
    /// Before, after, in both, apart, result.
    pub(super) numbers: fn(u64, u64, u64, u64, u64) -> String,
    pub(super) numbers_none: &'static str,
    pub(super) numbers_before_only: Counted,
    pub(super) numbers_after_only: Counted,
    /// Sealed, result.
    pub(super) numbers_sealed: fn(u64, u64) -> String,
    pub(super) clause_missing: Counted,
    pub(super) clause_password_after: &'static str,
    pub(super) clause_password_before: &'static str,
    pub(super) clause_password_none: &'static str,
    pub(super) clause_no_account: &'static str,
    pub(super) clause_unreadable: Counted,
    pub(super) clause_damaged: Counted,
    pub(super) clause_over_quota: &'static str,
    pub(super) clause_open: Counted,
    pub(super) clause_more: &'static str,

    // The head of the page.
    pub(super) kind_of_page: &'static str,
    pub(super) title_all: fn(&str) -> String,
    pub(super) title_domain: fn(&str) -> String,
    pub(super) contents: &'static str,
    pub(super) state: fn(State) -> &'static str,
    pub(super) period_before: fn(Option<&str>) -> String,
    pub(super) period_after: fn(Option<&str>) -> String,
    pub(super) checked_at: fn(&str) -> String,
    pub(super) not_checked: &'static str,

    // The verdict.
    pub(super) verdict: fn(VerdictWord) -> &'static str,
    pub(super) verdict_means: fn(VerdictWord) -> &'static str,
    pub(super) reason: fn(ReasonKind, u64) -> String,

    // The sum.
    pub(super) sum_heading: &'static str,
    pub(super) sum_before: &'static str,
    pub(super) sum_after: &'static str,
    pub(super) sum_both: &'static str,
    pub(super) sum_damaged_replaced: &'static str,
    pub(super) sum_deleted: &'static str,
    pub(super) sum_sealed: &'static str,
    pub(super) sum_unattributed: &'static str,
    pub(super) sum_result: &'static str,
    pub(super) sum_holds: &'static str,
    /// Expected, found.
    pub(super) sum_fails: fn(&str, &str) -> String,
    pub(super) beside_heading: &'static str,
    pub(super) beside_added: Counted,
    pub(super) beside_unreadable: Counted,
    pub(super) beside_damaged: Counted,
    pub(super) beside_not_a_message: Counted,
    pub(super) beside_listed_no_file: Counted,
    pub(super) beside_unfinished: Counted,
    pub(super) beside_same_id: Counted,
    pub(super) beside_twins: Counted,

    // The charts.
    pub(super) chart_heading: &'static str,
    /// Only before, both, only after: numbers as text.
    pub(super) chart_described: fn(&str, &str, &str) -> String,
    pub(super) chart_before: &'static str,
    pub(super) chart_both: &'static str,
    pub(super) chart_after: &'static str,
    pub(super) grades_heading: &'static str,
    pub(super) accounts: Counted,
    pub(super) domains: Counted,

    // What to do.
    pub(super) todo_heading: &'static str,
    pub(super) todo_nothing: &'static str,
    pub(super) todo_missing_operator: Counted,
    pub(super) todo_missing_domain: Counted,
    pub(super) todo_sum_operator: &'static str,
    pub(super) todo_sum_domain: &'static str,
    pub(super) todo_verify_operator: &'static str,
    pub(super) todo_verify_domain: &'static str,
    pub(super) todo_open: Counted,
    pub(super) todo_locked: Counted,
    pub(super) todo_over_quota: Counted,
    pub(super) todo_unreadable: Counted,
    pub(super) todo_unattributed: Counted,

    // Domains and accounts.
    pub(super) domains_heading: &'static str,
    pub(super) accounts_heading: &'static str,
    pub(super) domains_caption: &'static str,
    pub(super) accounts_caption: fn(&str) -> String,
    pub(super) column_domain: &'static str,
    pub(super) column_grade: &'static str,
    pub(super) column_accounts: &'static str,
    pub(super) column_account: &'static str,
    pub(super) column_what_happened: &'static str,
    pub(super) column_before: &'static str,
    pub(super) column_after: &'static str,
    pub(super) column_both: &'static str,
    pub(super) column_result: &'static str,
    pub(super) column_password: &'static str,
    pub(super) column_mailbox: &'static str,
    pub(super) column_uid: &'static str,
    pub(super) mailboxes: Counted,
    pub(super) mailboxes_left_out: &'static str,
    pub(super) mailbox_was: fn(&str) -> String,
    pub(super) grade: fn(Grade) -> &'static str,
    pub(super) grade_means: fn(Grade) -> &'static str,
    pub(super) case: fn(Case) -> &'static str,
    pub(super) password: fn(PasswordOrigin) -> &'static str,
    pub(super) over_quota: &'static str,
    pub(super) account_sum_fails: &'static str,
    pub(super) uid: fn(UidDecision) -> &'static str,
    pub(super) uid_legend: &'static str,
    pub(super) notice: fn(NoticeKind, u64, &str) -> String,
    pub(super) notices_heading: &'static str,
    pub(super) rule: fn(&str) -> String,

    // Decisions.
    pub(super) decisions_heading: &'static str,
    pub(super) decisions_none: &'static str,
    pub(super) decisions_meanwhile: &'static str,
    pub(super) question: fn(ConflictKind, &str) -> String,
    pub(super) recommended: &'static str,
    pub(super) waiting: &'static str,
    pub(super) decided: &'static str,
    pub(super) decided_by: fn(&str) -> String,
    pub(super) evidence_caption: &'static str,
    pub(super) evidence: fn(EvidenceFact) -> &'static str,
    pub(super) nothing: &'static str,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,

    // What could not be read, and pairs.
    pub(super) damage_heading: &'static str,
    pub(super) damage_none: &'static str,
    pub(super) damage_caption: &'static str,
    pub(super) column_file: &'static str,
    pub(super) column_reason: &'static str,
    pub(super) column_outcome: &'static str,
    pub(super) lineage: fn(LineageRole) -> &'static str,
    pub(super) outcome: fn(Outcome) -> &'static str,
    pub(super) damaged_kept: &'static str,
    pub(super) damage_reason: fn(&DamageReason, Outcome) -> String,
    pub(super) pairs_heading: &'static str,
    pub(super) same_id_heading: &'static str,
    pub(super) same_id_means: &'static str,
    pub(super) twins_heading: &'static str,
    pub(super) twins_means: &'static str,
    pub(super) column_subject: &'static str,
    pub(super) column_first: &'static str,
    pub(super) column_second: &'static str,
    pub(super) column_differs: &'static str,
    pub(super) no_subject: &'static str,
    pub(super) bytes: Counted,
    /// Shown, all.
    pub(super) cut: fn(u64, u64) -> String,

    // The proof.
    pub(super) proof_heading: &'static str,
    pub(super) proof_means: &'static str,
    pub(super) proof_none: &'static str,
    pub(super) proof_step_file: &'static str,
    pub(super) proof_step_file_domain: &'static str,
    pub(super) proof_step_key: &'static str,
    pub(super) proof_step_run: &'static str,
    pub(super) proof_step_compare: &'static str,
    pub(super) proof_key: &'static str,
    pub(super) proof_head: &'static str,
    pub(super) proof_rows: &'static str,
    pub(super) facts_heading: &'static str,
    pub(super) fact_integration: &'static str,
    pub(super) fact_state: &'static str,
    pub(super) fact_started: &'static str,
    pub(super) fact_applied: &'static str,
    pub(super) fact_verified: &'static str,
    pub(super) fact_sources: &'static str,
    pub(super) fact_policy: &'static str,
    pub(super) fact_tool: &'static str,
    pub(super) words_heading: &'static str,
    pub(super) words: [(&'static str, &'static str); 6],
}

impl Texts {
    /// The texts of a language.
    pub(super) fn of(language: Language) -> &'static Texts {
        match language {
            Language::Spanish => &SPANISH,
            Language::English => &ENGLISH,
        }
    }
}

static SPANISH: Texts = Texts {
    numbers: |before, after, both, apart, result| {
        let joined = format!("Reunimos {} de antes y {}", messages_es(before), plural(after, "nuevo", "nuevos"));
        let both = (both > 0).then(|| format!("{} en ambos", plural(both, "estaba", "estaban")));
        let apart = (apart > 0).then(|| format!("{} aparte", plural(apart, "quedó", "quedaron")));
        let facts: Vec<_> = both.into_iter().chain(apart).collect();
        let separator = if facts.is_empty() { "" } else { "; " };
        format!("{joined}{separator}{}: hay {} en total.", facts.join(" y "), number(result))
    },
    numbers_none: "La cuenta no tenía mensajes, ni antes ni después.",
    numbers_before_only: |before| match before {
        1 => "Recuperamos el único mensaje de antes; después no llegó ninguno.".to_owned(),
        _ => format!("Recuperamos {} de antes; después no llegó ninguno.", messages_es(before)),
    },
    numbers_after_only: |after| match after {
        1 => "No había correo de antes; el mensaje nuevo sigue aquí.".to_owned(),
        _ => format!(
            "No había correo de antes; hay {} y siguen aquí.",
            plural(after, "mensaje nuevo", "mensajes nuevos")
        ),
    },
    numbers_sealed: |sealed, result| {
        format!(
            "El correo de antes ({}) está sellado: parece de otra persona. Hay {}.",
            messages_es(sealed),
            plural(result, "mensaje nuevo", "mensajes nuevos")
        )
    },
    clause_missing: |n| match n {
        1 => "Falta 1 mensaje que se podía leer.".to_owned(),
        _ => format!("Faltan {} que se podían leer.", messages_es(n)),
    },
    clause_password_after: "La contraseña no cambió.",
    clause_password_before: "Volvió la contraseña de antes.",
    clause_password_none: "Hay que crear una contraseña.",
    clause_no_account: "No tenía cuenta: quedó cerrada hasta que le pongan contraseña.",
    clause_unreadable: |n| format!("{} leer.", plural(n, "no se pudo", "no se pudieron")),
    clause_damaged: |n| format!("{}.", plural(n, "está dañado", "están dañados")),
    clause_over_quota: "Rebasa su espacio.",
    clause_open: |n| match n {
        1 => "Falta una decisión.".to_owned(),
        _ => format!("Faltan {} decisiones.", number(n)),
    },
    clause_more: "Hay más.",

    kind_of_page: "Informe de prueba",
    title_all: |label| if label.is_empty() { "Qué pasó con el correo".to_owned() } else { label.to_owned() },
    title_domain: |domain| format!("Qué pasó con el correo de {domain}"),
    contents: "En esta página",
    state: |state| match state {
        State::Staging => "Preparando",
        State::Staged => "Preparada",
        State::Planned => "Planeada",
        State::Applying => "Uniendo",
        State::Applied => "Unida, sin comprobar",
        State::Verified => "Comprobada",
        State::Confirmed => "Confirmada",
        State::Undone => "Deshecha",
    },
    period_before: |date| match date {
        Some(date) => format!("Correo de antes (hasta el {date})"),
        None => "Correo de antes".to_owned(),
    },
    period_after: |date| match date {
        Some(date) => format!("Correo nuevo (desde el {date})"),
        None => "Correo nuevo".to_owned(),
    },
    checked_at: |moment| format!("Comprobado el {moment}"),
    not_checked: "Aún sin comprobar",

    verdict: |word| match word {
        VerdictWord::Complete => "Completo",
        VerdictWord::Incomplete => "Incompleto",
    },
    verdict_means: |word| match word {
        VerdictWord::Complete => {
            "Todo lo que había en las fuentes está en su buzón, o es igual a un mensaje que lo está."
        }
        VerdictWord::Incomplete => {
            "No todo lo que había en las fuentes está en un buzón. Esto es lo que no está, y nada más:"
        }
    },
    reason: |kind, n| match kind {
        ReasonKind::Missing => match n {
            1 => "Falta 1 mensaje que sí se podía leer.".to_owned(),
            _ => format!("Faltan {} que sí se podían leer.", messages_es(n)),
        },
        ReasonKind::DoesNotAddUp => format!("Los números no cuadran por {}.", messages_es(n)),
        ReasonKind::NotVerified => "Falta comprobar el resultado contra las fuentes.".to_owned(),
        ReasonKind::Unreadable => format!("{} leer.", plural(n, "archivo no se pudo", "archivos no se pudieron")),
        ReasonKind::Sealed => {
            format!("{}: parecen de otra persona.", plural(n, "mensaje sellado", "mensajes sellados"))
        }
        ReasonKind::Unattributed => {
            format!("{}.", plural(n, "mensaje no dice de quién es", "mensajes no dicen de quién son"))
        }
        ReasonKind::Deleted => {
            format!("{}, como se pidió.", plural(n, "mensaje borrado no volvió", "mensajes borrados no volvieron"))
        }
        ReasonKind::ListedNoFile => {
            format!("{} en la lista de un buzón, pero sin archivo.", plural(n, "mensaje estaba", "mensajes estaban"))
        }
        ReasonKind::Unfinished => format!("{}.", plural(n, "entrega quedó a medias", "entregas quedaron a medias")),
        ReasonKind::NotAMessage => {
            format!("{} de correo (índices y similares).", plural(n, "archivo no es", "archivos no son"))
        }
    },

    sum_heading: "Los números",
    sum_before: "Correo de antes",
    sum_after: "Correo nuevo",
    sum_both: "En ambos",
    sum_damaged_replaced: "Dañados que tenían copia entera",
    sum_deleted: "Borrados que no volvieron",
    sum_sealed: "Sellados",
    sum_unattributed: "De nadie",
    sum_result: "En total",
    sum_holds: "Los números cuadran.",
    sum_fails: |expected, found| format!("Los números no cuadran: debería haber {expected} y hay {found}."),
    beside_heading: "Aparte de esos números",
    beside_added: |n| format!("{} a lo que ya había", plural(n, "mensaje se agregó", "mensajes se agregaron")),
    beside_unreadable: |n| format!("{} leer", plural(n, "archivo no se pudo", "archivos no se pudieron")),
    beside_damaged: |n| plural(n, "mensaje dañado, tal como venía", "mensajes dañados, tal como venían"),
    beside_not_a_message: |n| plural(n, "archivo que no es correo", "archivos que no son correo"),
    beside_listed_no_file: |n| plural(n, "mensaje en una lista, sin archivo", "mensajes en una lista, sin archivo"),
    beside_unfinished: |n| plural(n, "entrega a medias", "entregas a medias"),
    beside_same_id: |n| format!("{} con el mismo identificador y distinto contenido", plural(n, "par", "pares")),
    beside_twins: |n| format!("{} casi iguales", plural(n, "par de mensajes", "pares de mensajes")),

    chart_heading: "De dónde viene lo que hay",
    chart_described: |before, both, after| {
        format!(
            "De lo que hay en total, {before} vienen solo de antes, {both} estaban en ambos y {after} son solo nuevos."
        )
    },
    chart_before: "Solo de antes",
    chart_both: "En ambos",
    chart_after: "Solo nuevo",
    grades_heading: "Cómo quedó cada dominio",
    accounts: |n| plural(n, "cuenta", "cuentas"),
    domains: |n| plural(n, "dominio", "dominios"),

    todo_heading: "Qué hacer ahora",
    todo_nothing: "Nada. No hay nada que decidir ni que arreglar.",
    todo_missing_operator: |n| {
        format!(
            "No confirmes todavía: faltan {} que sí se podían leer. Vuelve a unir y a comprobar; si siguen faltando, \
             deshaz y guarda las fuentes.",
            messages_es(n)
        )
    },
    todo_missing_domain: |n| format!("Llama a quien opera tu correo: faltan {} que sí se podían leer.", messages_es(n)),
    todo_sum_operator: "No confirmes todavía: los números no cuadran. Comprueba otra vez y mira en qué cuentas.",
    todo_sum_domain: "Llama a quien opera tu correo: los números no cuadran.",
    todo_verify_operator: "Comprueba el resultado contra las fuentes: reintegra integrate verify.",
    todo_verify_domain: "Espera la comprobación: este informe todavía puede cambiar.",
    todo_open: |n| match n {
        1 => "Toma la decisión pendiente. Nada se borra al elegir.".to_owned(),
        _ => format!("Toma las {} decisiones pendientes. Nada se borra al elegir.", number(n)),
    },
    todo_locked: |n| match n {
        1 => "Pon una contraseña a la cuenta que no tiene: hasta entonces nadie puede entrar en ella.".to_owned(),
        _ => format!(
            "Pon una contraseña a las {} cuentas que no tienen: hasta entonces nadie puede entrar en ellas.",
            number(n)
        ),
    },
    todo_over_quota: |n| match n {
        1 => "Sube el espacio de la cuenta que lo rebasa. Mientras dura el plazo sigue recibiendo.".to_owned(),
        _ => format!(
            "Sube el espacio de las {} cuentas que lo rebasan. Mientras dura el plazo siguen recibiendo.",
            number(n)
        ),
    },
    todo_unreadable: |n| match n {
        1 => "Mira el archivo que no se pudo leer. Si otro respaldo lo tiene entero, se puede agregar.".to_owned(),
        _ => format!(
            "Mira los {} archivos que no se pudieron leer. Si otro respaldo los tiene enteros, se pueden agregar.",
            number(n)
        ),
    },
    todo_unattributed: |n| match n {
        1 => "Busca dueño al mensaje que no dice de quién es: está en la caja de la integración.".to_owned(),
        _ => format!(
            "Busca dueño a los {} mensajes que no dicen de quién son: están en la caja de la integración.",
            number(n)
        ),
    },

    domains_heading: "Dominios",
    accounts_heading: "Cuentas",
    domains_caption: "Mensajes por dominio",
    accounts_caption: |domain| format!("Cuentas de {domain}"),
    column_domain: "Dominio",
    column_grade: "Estado",
    column_accounts: "Cuentas",
    column_account: "Cuenta",
    column_what_happened: "Qué pasó",
    column_before: "Antes",
    column_after: "Nuevo",
    column_both: "En ambos",
    column_result: "En total",
    column_password: "Contraseña",
    column_mailbox: "Carpeta",
    column_uid: "UID",
    mailboxes: |n| plural(n, "carpeta", "carpetas"),
    mailboxes_left_out: "Son muchas cuentas: las carpetas de cada una están en el informe de su dominio y en el de JSON.",
    mailbox_was: |name| format!("antes «{name}»"),
    grade: |grade| match grade {
        Grade::Perfect => "Perfecto",
        Grade::Good => "Bien",
        Grade::Look => "Por decidir",
        Grade::Poor => "Falta correo",
    },
    grade_means: |grade| match grade {
        Grade::Perfect => "nada que señalar",
        Grade::Good => "solo el daño que ya traía su fuente",
        Grade::Look => "hay decisiones pendientes",
        Grade::Poor => "falta correo que se podía leer, o los números no cuadran",
    },
    case: |case| match case {
        Case::Both => "antes y ahora",
        Case::BeforeOnly => "solo antes: restaurada",
        Case::AfterOnly => "cuenta nueva",
        Case::MaildropWithoutAccount => "correo sin cuenta: cerrada",
        Case::AccountWithoutMaildrop => "cuenta sin correo: vacía",
    },
    password: |origin| match origin {
        PasswordOrigin::After => "Sin cambio",
        PasswordOrigin::Before => "La de antes volvió",
        PasswordOrigin::None => "Hay que crear una",
    },
    over_quota: "Rebasa su espacio",
    account_sum_fails: "Los números no cuadran",
    uid: |decision| match decision {
        UidDecision::Both => "se conservan los de ambos",
        UidDecision::After => "se conservan los nuevos",
        UidDecision::Before => "se conservan los de antes",
        UidDecision::Renewed => "todos nuevos: los programas bajan la carpeta una vez",
    },
    uid_legend: "Números que ven los programas de correo (UID)",
    notice: |kind, n, detail| match kind {
        NoticeKind::SpellingDiffers => format!("Antes se escribía {detail}; se queda como está ahora."),
        NoticeKind::ScriptKept => format!("Los filtros del otro periodo están guardados como «{detail}», apagados."),
        NoticeKind::UidlRenewed => {
            format!(
                "{} nuevo identificador para POP3, porque el suyo estaba repetido.",
                plural(n, "mensaje tiene", "mensajes tienen")
            )
        }
        NoticeKind::UidsMended => format!("Se arregló la lista de números (UID) de «{detail}»."),
        NoticeKind::UidvalidityRenewed => format!("Los programas de correo bajarán «{detail}» otra vez, una sola vez."),
        NoticeKind::MailboxJoined => format!("La carpeta «{detail}» de antes y la de ahora son una sola."),
        NoticeKind::MailboxRenamed => format!("La carpeta «{detail}» no podía llamarse así y cambió de nombre."),
        NoticeKind::OrphansRecovered => {
            format!("{} en «{detail}».", plural(n, "mensaje suelto está", "mensajes sueltos están"))
        }
        NoticeKind::StaysDisabled => "Estaba suspendida y sigue así.".to_owned(),
        NoticeKind::DeletionsHonoured => {
            format!("{}.", plural(n, "mensaje borrado no volvió", "mensajes borrados no volvieron"))
        }
        NoticeKind::PopHidden => "Por POP3 no se ve el correo de antes; en el correo web sí.".to_owned(),
        NoticeKind::Other => detail.to_owned(),
    },
    notices_heading: "Otros hallazgos",
    rule: |rule| format!("regla {rule}"),

    decisions_heading: "Pendientes de decisión",
    decisions_none: "No queda nada por decidir.",
    decisions_meanwhile: "Mientras tanto vale lo de ahora y no se borra nada de antes.",
    question: |kind, address| match kind {
        ConflictKind::AccountAlias => format!("{address} era un alias y ahora es una cuenta. ¿Cómo debe quedar?"),
        ConflictKind::AliasAccount => format!("{address} era una cuenta y ahora es un alias. ¿Cómo debe quedar?"),
        ConflictKind::AliasAlias => format!("¿A dónde debe llegar lo que se escribe a {address}?"),
        ConflictKind::CatchAll => format!("¿A dónde debe llegar lo que no tiene dueño en {address}?"),
        ConflictKind::Forwarding => format!("¿A dónde debe reenviarse el correo de {address}?"),
        ConflictKind::DomainOwner => format!("¿De qué cliente es {address}?"),
        ConflictKind::TwoPeople => format!("¿Es {address} la misma persona en los dos periodos?"),
        ConflictKind::Sieve => format!("¿Qué filtros debe usar {address}?"),
        ConflictKind::AliasLoop => {
            format!("Los alias de antes y de ahora hacen un círculo en {address}. ¿Cuáles valen?")
        }
    },
    recommended: "recomendada",
    waiting: "Falta tu decisión",
    decided: "Decidido",
    decided_by: |who| format!("por {who}"),
    evidence_caption: "En qué difieren",
    evidence: |fact| match fact {
        EvidenceFact::DisplayName => "Nombre",
        EvidenceFact::Targets => "Destinos",
        EvidenceFact::KeepsCopy => "Guarda copia",
        EvidenceFact::Messages => "Mensajes",
        EvidenceFact::LastMessage => "Último mensaje",
        EvidenceFact::Created => "Se creó",
        EvidenceFact::PasswordSet => "Contraseña puesta",
        EvidenceFact::LastSignIn => "Última entrada",
        EvidenceFact::Customer => "Cliente",
        EvidenceFact::Script => "Filtros",
        EvidenceFact::Declared => "Declarado",
    },
    nothing: "nada",
    yes: "sí",
    no: "no",

    damage_heading: "Lo que no se pudo leer",
    damage_none: "Todo se pudo leer, y nada estaba dañado.",
    damage_caption: "Archivos ilegibles, dañados o que no son correo",
    column_file: "Archivo",
    column_reason: "Por qué",
    column_outcome: "Qué fue de él",
    lineage: |role| match role {
        LineageRole::Before => "antes",
        LineageRole::After => "nuevo",
        LineageRole::Base => "base",
    },
    outcome: |outcome| match outcome {
        Outcome::Kept => "En su buzón",
        Outcome::SameAs => "Hay una copia igual en su buzón",
        Outcome::Unreadable => "No se pudo leer",
        Outcome::NotAMessage => "No es correo",
        Outcome::Unfinished => "Entrega a medias",
        Outcome::ListedNoFile => "En la lista, sin archivo",
        Outcome::Deleted => "Se había borrado; no volvió",
        Outcome::Sealed => "Sellado",
        Outcome::Unattributed => "En la caja de la integración",
    },
    damaged_kept: "dañado",
    damage_reason: |reason, outcome| match reason {
        DamageReason::Empty => "Está vacío.".to_owned(),
        DamageReason::ZeroFilled => "Solo contiene ceros.".to_owned(),
        DamageReason::EndsEarly => "Termina antes de tiempo.".to_owned(),
        DamageReason::EndsInZeros => "Termina en ceros.".to_owned(),
        DamageReason::Gone => "Desapareció mientras se leía la fuente.".to_owned(),
        DamageReason::Changed => "Cambió mientras se leía la fuente.".to_owned(),
        DamageReason::NotAFile => "No es un archivo normal (un enlace, un dispositivo o una carpeta).".to_owned(),
        DamageReason::TooLarge => "Es más grande que el límite de la fuente.".to_owned(),
        DamageReason::ByOutcome => match outcome {
            Outcome::NotAMessage => "Es un archivo auxiliar.".to_owned(),
            Outcome::Unfinished => "Nunca terminó de entregarse.".to_owned(),
            Outcome::ListedNoFile => "La lista lo nombra y el archivo no está.".to_owned(),
            Outcome::Sealed => "Parece de otra persona.".to_owned(),
            Outcome::Unattributed => "No dice de quién es.".to_owned(),
            Outcome::Deleted => "Así se pidió.".to_owned(),
            Outcome::Kept | Outcome::SameAs | Outcome::Unreadable => "Sin otra razón.".to_owned(),
        },
        DamageReason::System(text) => format!("El sistema dijo: {text}"),
        DamageReason::Other(text) => text.clone(),
    },
    pairs_heading: "Mensajes que se parecen",
    same_id_heading: "Mismo identificador, distinto contenido",
    same_id_means: "Llevan el mismo Message-ID y no dicen lo mismo. Son dos mensajes: se quedan los dos.",
    twins_heading: "Casi iguales",
    twins_means: "Probablemente un mismo correo entregado dos veces. Se quedan los dos, salvo que se pida unirlos.",
    column_subject: "Asunto",
    column_first: "Uno",
    column_second: "Otro",
    column_differs: "Difieren en",
    no_subject: "(sin asunto)",
    bytes: |n| plural(n, "byte", "bytes"),
    cut: |shown, all| {
        format!(
            "Aquí se ven {} de {}. El registro (CSV) y el informe en JSON los tienen todos.",
            number(shown),
            number(all)
        )
    },

    proof_heading: "Cómo comprobarlo tú",
    proof_means: "Cada archivo y cada mensaje de cada fuente tiene una línea en el registro que dice qué fue de él. Las \
                  líneas están encadenadas y firmadas: si alguien cambia, quita o mueve una, la comprobación lo dice. \
                  Se hace en cualquier computadora, sin este sistema.",
    proof_none: "El registro aún no se ha exportado. Cuando lo esté, aquí estarán su cabeza y su llave.",
    proof_step_file: "Exporta el registro:",
    proof_step_file_domain: "Pide el registro de esta integración a quien opera tu correo.",
    proof_step_key: "Guarda la llave pública en un archivo. Pídela también por otro camino y compárala:",
    proof_step_run: "Compruébalo:",
    proof_step_compare: "La cabeza que imprime debe ser esta:",
    proof_key: "Llave pública (Ed25519)",
    proof_head: "Cabeza de la cadena (BLAKE3-256)",
    proof_rows: "Líneas",
    facts_heading: "Datos de la integración",
    fact_integration: "Integración",
    fact_state: "Estado",
    fact_started: "Empezó",
    fact_applied: "Se unió",
    fact_verified: "Se comprobó",
    fact_sources: "Fuentes",
    fact_policy: "Reglas elegidas",
    fact_tool: "Programa",
    words_heading: "Qué significa cada palabra",
    words: [
        ("En ambos", "El mismo mensaje estaba antes y ahora; queda uno."),
        ("Dañado", "Le falta el final o termina en ceros. Se guarda lo que hay, y la copia entera si existe una."),
        ("No se pudo leer", "El archivo está vacío, lleno de ceros o el disco no lo entrega."),
        ("Sellado", "Se guarda y se cuenta, pero nadie lo puede leer hasta que se decida."),
        ("De nadie", "No se sabe a quién le llegó; lo guarda quien opera el correo."),
        ("En la lista, sin archivo", "El buzón lo nombra, pero el archivo no está en la fuente."),
    ],
};

static ENGLISH: Texts = Texts {
    numbers: |before, after, both, apart, result| {
        let earlier = plural(before, "earlier message", "earlier messages");
        let joined = format!("We joined {earlier} and {} new", number(after));
        let both = (both > 0).then(|| format!("{} in both", plural(both, "was", "were")));
        let apart = (apart > 0).then(|| format!("{} set apart", plural(apart, "was", "were")));
        let facts: Vec<_> = both.into_iter().chain(apart).collect();
        let separator = if facts.is_empty() { "" } else { "; " };
        format!("{joined}{separator}{}: {} in all.", facts.join(" and "), number(result))
    },
    numbers_none: "The account had no messages, neither before nor since.",
    numbers_before_only: |before| match before {
        1 => "We got back the only earlier message; none has arrived since.".to_owned(),
        _ => format!("We got back {} earlier messages; none has arrived since.", number(before)),
    },
    numbers_after_only: |after| match after {
        1 => "There was no earlier mail; the new message is still here.".to_owned(),
        _ => format!("There was no earlier mail; the {} new messages are still here.", number(after)),
    },
    numbers_sealed: |sealed, result| {
        format!(
            "The earlier mail ({}) is sealed: it looks like another person's. There {}.",
            plural(sealed, "message", "messages"),
            if result == 1 { "is 1 new message".to_owned() } else { format!("are {} new messages", number(result)) }
        )
    },
    clause_missing: |n| match n {
        1 => "1 message that could be read is missing.".to_owned(),
        _ => format!("{} messages that could be read are missing.", number(n)),
    },
    clause_password_after: "The password did not change.",
    clause_password_before: "The earlier password is back.",
    clause_password_none: "It needs a new password.",
    clause_no_account: "It had no account: it is closed until it is given a password.",
    clause_unreadable: |n| format!("{} could not be read.", number(n)),
    clause_damaged: |n| format!("{} damaged.", plural(n, "is", "are")),
    clause_over_quota: "It is over its space.",
    clause_open: |n| match n {
        1 => "One decision is needed.".to_owned(),
        _ => format!("{} decisions are needed.", number(n)),
    },
    clause_more: "There is more.",

    kind_of_page: "Proof report",
    title_all: |label| if label.is_empty() { "What happened to the mail".to_owned() } else { label.to_owned() },
    title_domain: |domain| format!("What happened to the mail of {domain}"),
    contents: "On this page",
    state: |state| match state {
        State::Staging => "Preparing",
        State::Staged => "Prepared",
        State::Planned => "Planned",
        State::Applying => "Joining",
        State::Applied => "Joined, not verified",
        State::Verified => "Verified",
        State::Confirmed => "Confirmed",
        State::Undone => "Undone",
    },
    period_before: |date| match date {
        Some(date) => format!("Earlier mail (until {date})"),
        None => "Earlier mail".to_owned(),
    },
    period_after: |date| match date {
        Some(date) => format!("New mail (from {date})"),
        None => "New mail".to_owned(),
    },
    checked_at: |moment| format!("Verified {moment}"),
    not_checked: "Not verified yet",

    verdict: |word| match word {
        VerdictWord::Complete => "Complete",
        VerdictWord::Incomplete => "Incomplete",
    },
    verdict_means: |word| match word {
        VerdictWord::Complete => "Everything the sources held is in its mailbox, or is the same as a message that is.",
        VerdictWord::Incomplete => "Not everything the sources held is in a mailbox. This is what is not, and no more:",
    },
    reason: |kind, n| match kind {
        ReasonKind::Missing => match n {
            1 => "1 message that could be read is missing.".to_owned(),
            _ => format!("{} messages that could be read are missing.", number(n)),
        },
        ReasonKind::DoesNotAddUp => {
            format!("The numbers do not add up: off by {}.", plural(n, "message", "messages"))
        }
        ReasonKind::NotVerified => "The result has not been verified against the sources.".to_owned(),
        ReasonKind::Unreadable => format!("{} could not be read.", plural(n, "file", "files")),
        ReasonKind::Sealed => {
            format!("{} sealed: probably another person's.", plural(n, "message is", "messages are"))
        }
        ReasonKind::Unattributed => {
            format!("{} not say whose.", plural(n, "message does", "messages do"))
        }
        ReasonKind::Deleted => {
            format!("{} been deleted and left out, as asked.", plural(n, "message had", "messages had"))
        }
        ReasonKind::ListedNoFile => {
            format!("{} listed by a mailbox, without a file.", plural(n, "message was", "messages were"))
        }
        ReasonKind::Unfinished => format!("{} never finished.", plural(n, "delivery was", "deliveries were")),
        ReasonKind::NotAMessage => {
            format!("{} no mail (indexes and the like).", plural(n, "file is", "files are"))
        }
    },

    sum_heading: "The numbers",
    sum_before: "Earlier mail",
    sum_after: "New mail",
    sum_both: "In both",
    sum_damaged_replaced: "Damaged, with a whole copy",
    sum_deleted: "Deleted, left out",
    sum_sealed: "Sealed",
    sum_unattributed: "Nobody's",
    sum_result: "In all",
    sum_holds: "The numbers add up.",
    sum_fails: |expected, found| {
        format!("The numbers do not add up: there should be {expected} and there are {found}.")
    },
    beside_heading: "Beside those numbers",
    beside_added: |n| format!("{} added to what was there", plural(n, "message was", "messages were")),
    beside_unreadable: |n| format!("{} could not be read", plural(n, "file", "files")),
    beside_damaged: |n| format!("{}, as in the source", plural(n, "damaged message", "damaged messages")),
    beside_not_a_message: |n| format!("{} no mail", plural(n, "file is", "files are")),
    beside_listed_no_file: |n| format!("{} without a file", plural(n, "listed message", "listed messages")),
    beside_unfinished: |n| plural(n, "unfinished delivery", "unfinished deliveries"),
    beside_same_id: |n| format!("{} with the same identifier and different content", plural(n, "pair", "pairs")),
    beside_twins: |n| format!("{} of near twins", plural(n, "pair", "pairs")),

    chart_heading: "Where it all comes from",
    chart_described: |before, both, after| {
        format!("Of all there is, {before} are from before only, {both} were in both and {after} are new only.")
    },
    chart_before: "Earlier only",
    chart_both: "In both",
    chart_after: "New only",
    grades_heading: "How each domain fared",
    accounts: |n| plural(n, "account", "accounts"),
    domains: |n| plural(n, "domain", "domains"),

    todo_heading: "What to do now",
    todo_nothing: "Nothing. There is nothing to decide and nothing to mend.",
    todo_missing_operator: |n| {
        format!(
            "Do not confirm yet: {} missing that could be read. Apply and verify again; if they are still missing, \
             undo and keep the sources.",
            plural(n, "message is", "messages are")
        )
    },
    todo_missing_domain: |n| {
        format!("Call whoever runs your mail: {} missing that could be read.", plural(n, "message is", "messages are"))
    },
    todo_sum_operator: "Do not confirm yet: the numbers do not add up. Verify again and see for which accounts.",
    todo_sum_domain: "Call whoever runs your mail: the numbers do not add up.",
    todo_verify_operator: "Verify the result against the sources: reintegra integrate verify.",
    todo_verify_domain: "Wait for verification: this report can still change.",
    todo_open: |n| match n {
        1 => "Take the decision that waits. Choosing deletes nothing.".to_owned(),
        _ => format!("Take the {} decisions that wait. Choosing deletes nothing.", number(n)),
    },
    todo_locked: |n| match n {
        1 => "Give a password to the account that has none: until then nobody can sign in to it.".to_owned(),
        _ => format!(
            "Give passwords to the {} accounts that have none: until then nobody can sign in to them.",
            number(n)
        ),
    },
    todo_over_quota: |n| match n {
        1 => "Raise the space of the account that is over it. It goes on receiving during the grace period.".to_owned(),
        _ => format!(
            "Raise the space of the {} accounts that are over it. They go on receiving during the grace period.",
            number(n)
        ),
    },
    todo_unreadable: |n| match n {
        1 => "Look at the file that could not be read. If another backup has it whole, it can be added.".to_owned(),
        _ => format!(
            "Look at the {} files that could not be read. If another backup has them whole, they can be added.",
            number(n)
        ),
    },
    todo_unattributed: |n| match n {
        1 => "Find the owner of the message that does not say whose it is: it is in the integration's box.".to_owned(),
        _ => format!(
            "Find the owners of the {} messages that do not say whose they are: they are in the integration's box.",
            number(n)
        ),
    },

    domains_heading: "Domains",
    accounts_heading: "Accounts",
    domains_caption: "Messages by domain",
    accounts_caption: |domain| format!("Accounts of {domain}"),
    column_domain: "Domain",
    column_grade: "State",
    column_accounts: "Accounts",
    column_account: "Account",
    column_what_happened: "What happened",
    column_before: "Earlier",
    column_after: "New",
    column_both: "In both",
    column_result: "In all",
    column_password: "Password",
    column_mailbox: "Mailbox",
    column_uid: "UID",
    mailboxes: |n| plural(n, "mailbox", "mailboxes"),
    mailboxes_left_out: "There are many accounts: the mailboxes of each are in its domain's report and in the JSON one.",
    mailbox_was: |name| format!("earlier “{name}”"),
    grade: |grade| match grade {
        Grade::Perfect => "Perfect",
        Grade::Good => "Good",
        Grade::Look => "To decide",
        Grade::Poor => "Mail missing",
    },
    grade_means: |grade| match grade {
        Grade::Perfect => "nothing to report",
        Grade::Good => "only damage that its source had",
        Grade::Look => "decisions wait",
        Grade::Poor => "mail that could be read is missing, or the numbers do not add up",
    },
    case: |case| match case {
        Case::Both => "before and now",
        Case::BeforeOnly => "before only: restored",
        Case::AfterOnly => "new account",
        Case::MaildropWithoutAccount => "mail without account: closed",
        Case::AccountWithoutMaildrop => "account without mail: empty",
    },
    password: |origin| match origin {
        PasswordOrigin::After => "Unchanged",
        PasswordOrigin::Before => "Earlier one is back",
        PasswordOrigin::None => "Needs a new one",
    },
    over_quota: "Over its space",
    account_sum_fails: "The numbers do not add up",
    uid: |decision| match decision {
        UidDecision::Both => "those of both are kept",
        UidDecision::After => "the new ones are kept",
        UidDecision::Before => "the earlier ones are kept",
        UidDecision::Renewed => "all new: mail apps fetch the mailbox once",
    },
    uid_legend: "Numbers that mail apps see (UID)",
    notice: |kind, n, detail| match kind {
        NoticeKind::SpellingDiffers => format!("It used to be written {detail}; it stays as it is now."),
        NoticeKind::ScriptKept => format!("The filters of the other period are kept as “{detail}”, switched off."),
        NoticeKind::UidlRenewed => {
            format!("{} a new POP3 identifier, because theirs stood twice.", plural(n, "message has", "messages have"))
        }
        NoticeKind::UidsMended => format!("The list of numbers (UIDs) of “{detail}” was mended."),
        NoticeKind::UidvalidityRenewed => format!("Mail apps will fetch “{detail}” again, once."),
        NoticeKind::MailboxJoined => format!("The earlier mailbox “{detail}” and the present one are one now."),
        NoticeKind::MailboxRenamed => format!("The mailbox “{detail}” could not be called that and was renamed."),
        NoticeKind::OrphansRecovered => {
            format!("{} in “{detail}”.", plural(n, "stray message is", "stray messages are"))
        }
        NoticeKind::StaysDisabled => "It was suspended and still is.".to_owned(),
        NoticeKind::DeletionsHonoured => {
            format!("{} been deleted and left out.", plural(n, "message had", "messages had"))
        }
        NoticeKind::PopHidden => "POP3 does not show earlier mail; webmail does.".to_owned(),
        NoticeKind::Other => detail.to_owned(),
    },
    notices_heading: "Other findings",
    rule: |rule| format!("rule {rule}"),

    decisions_heading: "Needs your decision",
    decisions_none: "Nothing is left to decide.",
    decisions_meanwhile: "Meanwhile the present state holds, and nothing earlier is deleted.",
    question: |kind, address| match kind {
        ConflictKind::AccountAlias => format!("{address} was an alias and is now an account. How should it be?"),
        ConflictKind::AliasAccount => format!("{address} was an account and is now an alias. How should it be?"),
        ConflictKind::AliasAlias => format!("Where should mail to {address} go?"),
        ConflictKind::CatchAll => format!("Where should mail that is nobody's go in {address}?"),
        ConflictKind::Forwarding => format!("Where should the mail of {address} be forwarded?"),
        ConflictKind::DomainOwner => format!("Which customer owns {address}?"),
        ConflictKind::TwoPeople => format!("Is {address} the same person in both periods?"),
        ConflictKind::Sieve => format!("Which filters should {address} use?"),
        ConflictKind::AliasLoop => format!("Earlier and present aliases make a loop at {address}. Which hold?"),
    },
    recommended: "recommended",
    waiting: "Needs your decision",
    decided: "Decided",
    decided_by: |who| format!("by {who}"),
    evidence_caption: "Where they differ",
    evidence: |fact| match fact {
        EvidenceFact::DisplayName => "Name",
        EvidenceFact::Targets => "Goes to",
        EvidenceFact::KeepsCopy => "Keeps a copy",
        EvidenceFact::Messages => "Messages",
        EvidenceFact::LastMessage => "Last message",
        EvidenceFact::Created => "Created",
        EvidenceFact::PasswordSet => "Password set",
        EvidenceFact::LastSignIn => "Last sign-in",
        EvidenceFact::Customer => "Customer",
        EvidenceFact::Script => "Filters",
        EvidenceFact::Declared => "Declared",
    },
    nothing: "nothing",
    yes: "yes",
    no: "no",

    damage_heading: "What could not be read",
    damage_none: "Everything could be read, and nothing was damaged.",
    damage_caption: "Files that are unreadable, damaged or no mail",
    column_file: "File",
    column_reason: "Why",
    column_outcome: "What became of it",
    lineage: |role| match role {
        LineageRole::Before => "earlier",
        LineageRole::After => "new",
        LineageRole::Base => "base",
    },
    outcome: |outcome| match outcome {
        Outcome::Kept => "In its mailbox",
        Outcome::SameAs => "A copy of it is in its mailbox",
        Outcome::Unreadable => "Could not be read",
        Outcome::NotAMessage => "No mail",
        Outcome::Unfinished => "Unfinished delivery",
        Outcome::ListedNoFile => "Listed, no file",
        Outcome::Deleted => "Had been deleted; left out",
        Outcome::Sealed => "Sealed",
        Outcome::Unattributed => "In the integration's box",
    },
    damaged_kept: "damaged",
    damage_reason: |reason, outcome| match reason {
        DamageReason::Empty => "It is empty.".to_owned(),
        DamageReason::ZeroFilled => "It holds only zeros.".to_owned(),
        DamageReason::EndsEarly => "It ends early.".to_owned(),
        DamageReason::EndsInZeros => "It ends in zeros.".to_owned(),
        DamageReason::Gone => "It disappeared while the source was read.".to_owned(),
        DamageReason::Changed => "It changed while the source was read.".to_owned(),
        DamageReason::NotAFile => "It is no regular file (a link, a device or a directory).".to_owned(),
        DamageReason::TooLarge => "It is larger than the source's limit.".to_owned(),
        DamageReason::ByOutcome => match outcome {
            Outcome::NotAMessage => "It is an auxiliary file.".to_owned(),
            Outcome::Unfinished => "It was never delivered whole.".to_owned(),
            Outcome::ListedNoFile => "The list names it and the file is not there.".to_owned(),
            Outcome::Sealed => "It looks like another person's.".to_owned(),
            Outcome::Unattributed => "It does not say whose it is.".to_owned(),
            Outcome::Deleted => "As asked.".to_owned(),
            Outcome::Kept | Outcome::SameAs | Outcome::Unreadable => "No other reason.".to_owned(),
        },
        DamageReason::System(text) => format!("The system said: {text}"),
        DamageReason::Other(text) => text.clone(),
    },
    pairs_heading: "Messages that look alike",
    same_id_heading: "Same identifier, different content",
    same_id_means: "They bear the same Message-ID and do not say the same. They are two messages: both stay.",
    twins_heading: "Near twins",
    twins_means: "Probably one mail delivered twice. Both stay, unless joining them was asked for.",
    column_subject: "Subject",
    column_first: "One",
    column_second: "The other",
    column_differs: "They differ in",
    no_subject: "(no subject)",
    bytes: |n| plural(n, "byte", "bytes"),
    cut: |shown, all| {
        format!(
            "{} of {} are shown here. The ledger (CSV) and the JSON report have them all.",
            number(shown),
            number(all)
        )
    },

    proof_heading: "How to check it yourself",
    proof_means: "Every file and message of every source has a line in the ledger that says what became of it. The \
                  lines are chained and signed: if anybody changes, removes or moves one, the check says so. It runs \
                  on any computer, without this system.",
    proof_none: "The ledger has not been exported yet. Once it is, its head and key will stand here.",
    proof_step_file: "Export the ledger:",
    proof_step_file_domain: "Ask whoever runs your mail for the ledger of this integration.",
    proof_step_key: "Put the public key into a file. Ask for it by another way too, and compare:",
    proof_step_run: "Check it:",
    proof_step_compare: "The head that it prints must be this one:",
    proof_key: "Public key (Ed25519)",
    proof_head: "Head of the chain (BLAKE3-256)",
    proof_rows: "Rows",
    facts_heading: "About the integration",
    fact_integration: "Integration",
    fact_state: "State",
    fact_started: "Started",
    fact_applied: "Joined",
    fact_verified: "Verified",
    fact_sources: "Sources",
    fact_policy: "Policy used",
    fact_tool: "Program",
    words_heading: "What each word means",
    words: [
        ("In both", "The same message was there before and is there now; one stays."),
        (
            "Damaged",
            "Its end is missing, or it ends in zeros. What there is is kept, and the whole copy if there is one.",
        ),
        ("Could not be read", "The file is empty, full of zeros, or the disk does not give it."),
        ("Sealed", "It is kept and counted, but nobody can read it until somebody decides."),
        ("Nobody's", "Nobody knows to whom it came; whoever runs the mail keeps it."),
        ("Listed, no file", "The mailbox names it, but the file is not in the source."),
    ],
};

/// A number and the words that agree with it.
fn plural(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// `1 mensaje`, `2 mensajes`, `1,000,000 de mensajes`: whole millions take a "de".
fn messages_es(n: u64) -> String {
    match n {
        1 => "1 mensaje".to_owned(),
        n if n > 0 && n.is_multiple_of(1_000_000) => format!("{} de mensajes", number(n)),
        n => format!("{} mensajes", number(n)),
    }
}
