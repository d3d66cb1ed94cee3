//! What can be chosen in each kind of conflict, and what each choice does, in words for the person who chooses.
//!
//! The words of the choices are stable: scripts and the panel rely on them. A word that ends in `:ADDRESS` or `:DATE`
//! is given with an argument in its place.

use crate::accounts::targets::union;
use serde::{Deserialize, Serialize};

/// A choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its word.
    pub choice: String,
    /// What it does, in Spanish.
    pub effect_es: String,
    /// What it does, in English.
    pub effect_en: String,
    /// Whether it is the one that most should take.
    pub recommended: bool,
}

pub(super) const KEEP_ACCOUNT: &str = "keep-account";
pub(super) const RESTORE_ALIAS_INTO_MAILBOX: &str = "restore-alias-into-mailbox";
pub(super) const RESTORE_ALIAS_CLOSE_ACCOUNT: &str = "restore-alias-close-account";
pub(super) const ACCOUNT_RECEIVES: &str = "account-receives";
pub(super) const KEEP_ALIAS_GIVE_MAIL: &str = "keep-alias-give-mail";
pub(super) const KEEP_ALIAS_CLOSE_ACCOUNT: &str = "keep-alias-close-account";
pub(super) const AFTER: &str = "after";
pub(super) const BEFORE: &str = "before";
pub(super) const BOTH: &str = "both";
pub(super) const SAME_PERSON: &str = "same-person";
pub(super) const ANOTHER_ADDRESS: &str = "another-address";
pub(super) const SEALED_UNTIL: &str = "sealed-until";
pub(super) const KEEP_AFTER: &str = "keep-after";
pub(super) const ACTIVATE_BEFORE: &str = "activate-before";
pub(super) const LEAVE_OUT: &str = "leave-out";
pub(super) const WITHOUT_LOOP: &str = "without-loop";

fn choice(word: &str, effect_es: String, effect_en: String) -> Choice {
    Choice { choice: word.to_owned(), effect_es, effect_en, recommended: false }
}

fn recommended(choice: Choice) -> Choice {
    Choice { recommended: true, ..choice }
}

/// `RULES.md 8.1`: an account at `address`, which was an alias to `targets`.
pub(in crate::accounts) fn account_alias(address: &str, targets: &[String], receiver: Option<&str>) -> Vec<Choice> {
    let to = targets.join(", ");
    let mut choices = vec![recommended(choice(
        KEEP_ACCOUNT,
        format!("La cuenta {address} sigue igual. El alias de antes no vuelve: nada llega por él a {to}."),
        format!("The account {address} stays as it is. The alias of before does not come back to reach {to}."),
    ))];
    if let Some(receiver) = receiver {
        choices.push(choice(
            RESTORE_ALIAS_INTO_MAILBOX,
            format!(
                "Vuelve el alias: el correo para {address} llega a {to}. La cuenta se cierra y su correo se copia a la \
                 carpeta {address} de {receiver}."
            ),
            format!(
                "The alias comes back: mail to {address} goes to {to}. The account is closed and its mail is copied \
                 into the mailbox {address} of {receiver}."
            ),
        ));
    }
    choices.push(choice(
        RESTORE_ALIAS_CLOSE_ACCOUNT,
        format!(
            "Vuelve el alias: el correo para {address} llega a {to}. La cuenta se cierra; su correo se guarda y nadie \
             lo lee."
        ),
        format!(
            "The alias comes back: mail to {address} goes to {to}. The account is closed; its mail is kept and read by \
             nobody."
        ),
    ));
    choices.push(choice(
        BOTH,
        format!("La cuenta {address} sigue, y cada mensaje llega también a {to}."),
        format!("The account {address} stays, and every message goes to {to} as well."),
    ));
    choices
}

/// `RULES.md 8.2`: an alias to `targets` at `address`, which was an account.
pub(in crate::accounts) fn alias_account(address: &str, targets: &[String], receiver: Option<&str>) -> Vec<Choice> {
    let to = targets.join(", ");
    let mut choices = vec![choice(
        ACCOUNT_RECEIVES,
        format!("La cuenta {address} vuelve a recibir su correo. El alias se apaga: {to} deja de recibirlo."),
        format!("The account {address} receives its mail again. The alias is switched off: {to} gets no more of it."),
    )];
    if let Some(receiver) = receiver {
        choices.push(choice(
            KEEP_ALIAS_GIVE_MAIL,
            format!(
                "El correo para {address} sigue llegando a {to}. La cuenta se cierra y su correo se copia a la carpeta \
                 {address} de {receiver}."
            ),
            format!(
                "Mail to {address} still goes to {to}. The account is closed and its mail is copied into the mailbox \
                 {address} of {receiver}."
            ),
        ));
    }
    choices.push(choice(
        KEEP_ALIAS_CLOSE_ACCOUNT,
        format!(
            "El correo para {address} sigue llegando a {to}. La cuenta se cierra; su correo se guarda y nadie lo lee."
        ),
        format!("Mail to {address} still goes to {to}. The account is closed; its mail is kept and read by nobody."),
    ));
    choices.push(recommended(choice(
        BOTH,
        format!("La cuenta {address} vuelve a recibir su correo, y cada mensaje llega también a {to}."),
        format!("The account {address} receives its mail again, and every message goes to {to} as well."),
    )));
    choices
}

/// `RULES.md 8.3` and 8.4: an alias or catch-all with different targets.
pub(in crate::accounts) fn targets(address: &str, before: &[String], after: &[String]) -> Vec<Choice> {
    let (old, new, all) = (before.join(", "), after.join(", "), union(after, before).join(", "));
    vec![
        recommended(choice(
            AFTER,
            format!("El correo para {address} sigue llegando a {new}."),
            format!("Mail to {address} still goes to {new}."),
        )),
        choice(
            BEFORE,
            format!("El correo para {address} vuelve a llegar a {old}, como antes."),
            format!("Mail to {address} goes to {old} again, as before."),
        ),
        choice(
            BOTH,
            format!("El correo para {address} llega a los destinos de ahora y a los de antes: {all}."),
            format!("Mail to {address} goes to the targets of now and of before: {all}."),
        ),
    ]
}

/// `RULES.md 8.5`: an account that forwards to different targets.
pub(in crate::accounts) fn forwarding(address: &str, before: &[String], after: &[String]) -> Vec<Choice> {
    let (old, new, all) = (before.join(", "), after.join(", "), union(after, before).join(", "));
    vec![
        recommended(choice(
            AFTER,
            format!("{address} sigue reenviando a {new}. El reenvío de antes queda apagado."),
            format!("{address} still forwards to {new}. The forwarding of before stays off."),
        )),
        choice(
            BEFORE,
            format!("{address} vuelve a reenviar a {old}, como antes, y ya no a {new}."),
            format!("{address} forwards to {old} again, as before, and no more to {new}."),
        ),
        choice(
            BOTH,
            format!("{address} reenvía a los destinos de ahora y a los de antes: {all}."),
            format!("{address} forwards to the targets of now and of before: {all}."),
        ),
    ]
}

/// `RULES.md 8.6`: a domain of another customer.
pub(in crate::accounts) fn domain_owner(domain: &str, before: &str, after: &str) -> Vec<Choice> {
    vec![
        recommended(choice(
            AFTER,
            format!("El dominio {domain} sigue siendo de {after}."),
            format!("The domain {domain} still belongs to {after}."),
        )),
        choice(
            BEFORE,
            format!("El dominio {domain} vuelve a ser de {before}, con sus cuentas y su correo."),
            format!("The domain {domain} belongs to {before} again, with its accounts and their mail."),
        ),
    ]
}

/// `RULES.md 8.7`: two people. None is recommended: nobody but a person can know.
pub(in crate::accounts) fn two_people(address: &str) -> Vec<Choice> {
    vec![
        choice(
            SAME_PERSON,
            format!(
                "Es la misma persona: el correo de antes se une al de {address}. Esta decisión no se puede \
                     cambiar."
            ),
            format!("It is the same person: the mail of before joins that of {address}. This cannot be changed later."),
        ),
        choice(
            &format!("{ANOTHER_ADDRESS}:ADDRESS"),
            "Son dos personas: el correo de antes se guarda en una cuenta nueva con la dirección que indiques, \
             que abre \
             con la contraseña de antes. Esta decisión no se puede cambiar."
                .to_owned(),
            "They are two people: the mail of before is kept in a new account at the address you give, which opens \
             with the password of before. This cannot be changed later."
                .to_owned(),
        ),
        choice(
            &format!("{SEALED_UNTIL}:DATE"),
            "El correo de antes sigue sellado: se guarda y nadie lo lee, hasta la fecha que indiques (AAAA-MM-DD)."
                .to_owned(),
            "The mail of before stays sealed: kept, and read by nobody, until the date you give \
             (YYYY-MM-DD)."
                .to_owned(),
        ),
    ]
}

/// `RULES.md 8.8`: a script of *before* that *after*'s keeps from running.
pub(in crate::accounts) fn script(before: &str, after: &str) -> Vec<Choice> {
    vec![
        recommended(choice(
            KEEP_AFTER,
            format!("Sigue el filtro de ahora, {after}. El de antes queda guardado, apagado, como {before}."),
            format!("The filter of now, {after}, stays. That of before is kept, switched off, as {before}."),
        )),
        choice(
            ACTIVATE_BEFORE,
            format!("Se enciende el filtro de antes, {before}. El de ahora, {after}, queda guardado, apagado."),
            format!("The filter of before, {before}, is switched on. That of now, {after}, is kept, switched off."),
        ),
    ]
}

/// An alias of *before* to `targets`, which all but those of `outside` lead back to it.
pub(in crate::accounts) fn alias_loop(address: &str, outside: &[String]) -> Vec<Choice> {
    let mut choices = vec![recommended(choice(
        LEAVE_OUT,
        format!("El alias de antes {address} no vuelve: con los alias de ahora, su correo daría vueltas sin llegar."),
        format!("The alias of before {address} does not come back: with those of now its mail would go in circles."),
    ))];
    if !outside.is_empty() {
        let to = outside.join(", ");
        choices.push(choice(
            WITHOUT_LOOP,
            format!("El alias {address} vuelve solo con los destinos que no dan vueltas: {to}."),
            format!("The alias {address} comes back with those targets alone that do not lead back to it: {to}."),
        ));
    }
    choices
}
