//! A made-up report that has one of everything: three domains, every case of account, every kind of decision.
#![allow(clippy::unwrap_used, dead_code, reason = "each test file uses a part of it")]

use integrate::ledger::{LineageRole, Outcome};
use integrate::report::*;
use message::Digest;

/// A report of three domains: `ejemplo.mx` (decisions wait), `tienda.example` (good), `taller.example` (perfect).
pub(crate) fn report() -> Report {
    let domains = vec![ejemplo(), tienda(), taller()];
    let mut totals = Totals { unattributed: 3, before: 3, ..Totals::default() };
    for domain in &domains {
        totals += domain.totals;
    }
    Report {
        domain: None,
        integration: Integration {
            id: 7,
            label: "Regreso del correo, 29 de noviembre".to_owned(),
            state: State::Verified,
            tool_version: "reintegra 0.1.0".to_owned(),
            started: 1_795_939_200,
            applied: Some(1_795_946_100),
            verified: Some(1_795_948_320),
            before_until: Some(1_793_696_400),
            after_from: Some(1_793_782_800),
            time_zone: Some("America/Mexico_City".to_owned()),
            sources: vec![
                ReportSource { lineage: LineageRole::Before, description: "maildir tree /srv/recovered".to_owned() },
                ReportSource { lineage: LineageRole::After, description: "this platform".to_owned() },
            ],
            policy: serde_json::json!({ "join_twins": false, "honour_deletions": false, "keep_uids": null }),
        },
        verdict: Verdict::judge(&totals, true),
        totals,
        domains,
        conflicts: conflicts(),
        damage: damage(),
        same_message_id: vec![pair("ejemplo.mx", "laura@ejemplo.mx", "Factura de octubre", &["body"])],
        near_twins: vec![pair(
            "tienda.example",
            "pedidos@tienda.example",
            "Pedido 1204",
            &["Received", "X-Spam-Score"],
        )],
        notices: vec![Notice {
            kind: NoticeKind::Other,
            rule: "9.4".to_owned(),
            count: None,
            detail: Some("etc/dovecot/users:14: a line without an address".to_owned()),
        }],
        ledger: Some(LedgerFacts {
            rows: 22_871,
            head: "5f1c0f9f6d1f4f7f8f3a7a1d3b0c2e4d6f8091a2b3c4d5e6f708192a3b4c5d6e".to_owned(),
            public_key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".to_owned(),
        }),
    }
}

/// An account whose mailboxes share its messages; the numbers add up.
pub(crate) fn account(address: &str, case: Case, before: u64, after: u64, in_both: u64) -> AccountReport {
    let result = before + after - in_both;
    let totals = Totals { before, after, in_both, result, added: result - after, ..Totals::default() };
    let part = |number: u64, of: u64| number / 10 * of;
    let rest = |number: u64| number - part(number, 3) - part(number, 1);
    let mailbox = |name: &str, share: &dyn Fn(u64) -> u64, uid| {
        let (before, after, both) = (share(before), share(after), share(in_both));
        let name = name.to_owned();
        MailboxReport { name, name_before: None, before, after, both, result: before + after - both, uid }
    };
    let mut sent = mailbox("Enviados", &|number| part(number, 3), UidDecision::After);
    sent.name_before = Some("Sent Items".to_owned());
    AccountReport {
        address: address.to_owned(),
        case,
        totals,
        mailboxes: vec![
            mailbox("INBOX", &rest, UidDecision::Both),
            sent,
            mailbox("Proyectos/2026", &|number| part(number, 1), UidDecision::Before),
        ],
        password: PasswordOrigin::After,
        over_quota: false,
        open_decisions: 0,
        notices: vec![],
    }
}

fn domain(name: &str, accounts: Vec<AccountReport>) -> DomainReport {
    let mut totals = Totals::default();
    for account in &accounts {
        totals += account.totals;
    }
    let grade = Grade::judge(&totals, accounts.iter().map(|account| account.open_decisions).sum());
    DomainReport { name: name.to_owned(), grade, totals, accounts }
}

fn ejemplo() -> DomainReport {
    let mut laura = account("laura@ejemplo.mx", Case::Both, 12_480, 342, 32);
    laura.totals.same_message_id_pairs = 1;
    laura.totals.unreadable = 2;
    laura.totals.damaged = 1;
    laura.notices = vec![
        Notice {
            kind: NoticeKind::SpellingDiffers,
            rule: "7.8".to_owned(),
            count: None,
            detail: Some("Laura@ejemplo.mx".to_owned()),
        },
        Notice { kind: NoticeKind::UidsMended, rule: "9.4".to_owned(), count: None, detail: Some("INBOX".to_owned()) },
    ];
    let mut ventas = account("ventas@ejemplo.mx", Case::BeforeOnly, 4_210, 0, 0);
    ventas.password = PasswordOrigin::Before;
    ventas.open_decisions = 1;
    let mut info = account("info@ejemplo.mx", Case::Both, 930, 118, 4);
    info.totals.sealed = 930;
    info.totals.in_both = 0;
    info.totals.result = 118;
    info.totals.added = 0;
    info.mailboxes = account("info@ejemplo.mx", Case::Both, 0, 118, 0).mailboxes;
    info.open_decisions = 1;
    let mut contacto = account("contacto@ejemplo.mx", Case::MaildropWithoutAccount, 77, 0, 0);
    contacto.password = PasswordOrigin::None;
    let mut direccion = account("direccion@ejemplo.mx", Case::Both, 2_051, 871, 60);
    direccion.over_quota = true;
    let nueva = account("becarios@ejemplo.mx", Case::AfterOnly, 0, 64, 0);
    domain("ejemplo.mx", vec![laura, ventas, info, contacto, direccion, nueva])
}

fn tienda() -> DomainReport {
    let mut pedidos = account("pedidos@tienda.example", Case::Both, 1_204, 310, 12);
    pedidos.totals.damaged = 4;
    pedidos.totals.damaged_replaced = 1;
    pedidos.totals.result -= 1;
    pedidos.totals.near_twin_pairs = 1;
    pedidos.totals.not_a_message = 3;
    let vacia = account("archivo@tienda.example", Case::AccountWithoutMaildrop, 0, 0, 0);
    domain("tienda.example", vec![pedidos, vacia])
}

fn taller() -> DomainReport {
    domain("taller.example", vec![account("ana@taller.example", Case::Both, 210, 33, 1)])
}

fn conflicts() -> Vec<Conflict> {
    let text = |text: &str| Some(EvidenceValue::Text(text.to_owned()));
    let conflict = |number, kind, domain: &str, address: &str, evidence, codes: &[&str]| Conflict {
        number,
        kind,
        domain: domain.to_owned(),
        address: address.to_owned(),
        evidence,
        choices: codes
            .iter()
            .enumerate()
            .map(|(place, code)| Choice {
                code: (*code).to_owned(),
                effect_es: format!("Lo que hace «{code}»."),
                effect_en: format!("What “{code}” does."),
                recommended: place == 0,
            })
            .collect(),
        state: ConflictState::Open,
    };
    let mut decided = conflict(
        4,
        ConflictKind::AliasAlias,
        "tienda.example",
        "todos@tienda.example",
        vec![Evidence {
            fact: EvidenceFact::Targets,
            before: text("pedidos@tienda.example"),
            after: text("archivo@tienda.example"),
        }],
        &["after", "before", "both"],
    );
    decided.state = ConflictState::Decided {
        choice: "both".to_owned(),
        by: Some("admin@tienda.example".to_owned()),
        at: Some(1_795_960_000),
    };
    vec![
        conflict(
            1,
            ConflictKind::AliasAccount,
            "ejemplo.mx",
            "ventas@ejemplo.mx",
            vec![
                Evidence { fact: EvidenceFact::Targets, before: None, after: text("laura@ejemplo.mx") },
                Evidence { fact: EvidenceFact::Messages, before: Some(EvidenceValue::Count(4_210)), after: None },
                Evidence {
                    fact: EvidenceFact::LastMessage,
                    before: Some(EvidenceValue::Time(1_793_690_000)),
                    after: None,
                },
            ],
            &["both", "account-receives", "keep-alias-close-account"],
        ),
        conflict(
            2,
            ConflictKind::TwoPeople,
            "ejemplo.mx",
            "info@ejemplo.mx",
            vec![
                Evidence { fact: EvidenceFact::KeepsCopy, before: Some(EvidenceValue::Flag(true)), after: None },
                Evidence {
                    fact: EvidenceFact::DisplayName, before: text("Luis Ramírez"), after: text("Lucía Robles")
                },
            ],
            &["sealed-until:DATE", "same-person", "another-address:ADDRESS"],
        ),
        conflict(
            3,
            ConflictKind::DomainOwner,
            "ejemplo.mx",
            "ejemplo.mx",
            vec![Evidence { fact: EvidenceFact::Customer, before: text("Grupo Secreto"), after: text("Ejemplo SA") }],
            &["after", "before"],
        ),
        decided,
    ]
}

fn damage() -> Vec<DamageEntry> {
    let entry = |domain: Option<&str>, account: Option<&str>, path: &str, reason, outcome, damaged| DamageEntry {
        lineage: LineageRole::Before,
        domain: domain.map(str::to_owned),
        account: account.map(str::to_owned),
        mailbox: account.map(|_| "INBOX".to_owned()),
        path: path.to_owned(),
        reason,
        outcome,
        damaged,
    };
    let (ejemplo, tienda) = (Some("ejemplo.mx"), Some("tienda.example"));
    let (laura, pedidos) = (Some("laura@ejemplo.mx"), Some("pedidos@tienda.example"));
    let laura_file = |name: &str| format!("mail/ejemplo.mx/laura/Maildir/cur/{name}");
    vec![
        entry(ejemplo, laura, &laura_file("1.M1:2,S"), DamageReason::Empty, Outcome::Unreadable, false),
        entry(
            ejemplo,
            laura,
            &laura_file("2.M2:2,S"),
            DamageReason::System("Permission denied (os error 13)".to_owned()),
            Outcome::Unreadable,
            false,
        ),
        entry(ejemplo, laura, &laura_file("3.M3,S=4096:2,"), DamageReason::EndsInZeros, Outcome::Kept, true),
        entry(
            tienda,
            pedidos,
            "mail/tienda.example/pedidos/Maildir/cur/4.M4,S=910:2,",
            DamageReason::EndsEarly,
            Outcome::SameAs,
            true,
        ),
        entry(
            tienda,
            pedidos,
            "mail/tienda.example/pedidos/Maildir/Thumbs.db",
            DamageReason::ByOutcome,
            Outcome::NotAMessage,
            false,
        ),
        entry(None, None, "lost+found/%23120341", DamageReason::ByOutcome, Outcome::Unattributed, false),
    ]
}

fn pair(domain: &str, address: &str, subject: &str, differs: &[&str]) -> Pair {
    let side = |lineage, mailbox: &str, uid, byte| PairSide {
        lineage,
        mailbox: mailbox.to_owned(),
        uid: Some(uid),
        size_bytes: 2_048 + u64::from(uid),
        digest: Digest([byte; 32]),
    };
    Pair {
        domain: domain.to_owned(),
        address: address.to_owned(),
        message_id: "<a@mail.example>".to_owned(),
        subject: Some(subject.to_owned()),
        first: side(LineageRole::Before, "INBOX", 41, 1),
        second: side(LineageRole::After, "INBOX", 4_711, 2),
        differs: differs.iter().map(|name| (*name).to_owned()).collect(),
    }
}
