//! Word to the people here, as mail in their INBOX: their script failed, or their account sends too much.

use crate::script::Fault;
use crate::settings::Settings;
use directory::{AccountId, SieveMemoryId};
use edge::Services;
use jiff::Timestamp;
use message::{Address, Flags, examine};
use queue::Queue;
use std::error::Error;
use store::spool::{DeliveryId, NewRecipient, Notify, Purpose};
use store::{Delivery, Prepared, Traits};

/// How long somebody is not told the same again about a script, in seconds.
const FAULT_S: i64 = 7 * 86_400;

/// How long nobody is told the same again about what an account sends, in seconds.
const RATE_S: i64 = 86_400;
/// How much is told of what happened, in characters.
const MAX_WHAT_CHARS: usize = 500;

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Notice {
    /// In ASCII.
    subject: String,
    /// Lines end in LF.
    text: String,
}

/// Tells an account's owner that a script failed, once in a while.
pub(super) fn tell_of_fault(services: &Services, id: AccountId, address: &Address, fault: &Fault, now_s: i64) {
    let memory = SieveMemoryId::new("script fault", &[&fault.script, &fault.what]);
    let is_new =
        services.directory.write(|tx| tx.claim_sieve_memory(id, &memory, now_s, now_s.saturating_add(FAULT_S)));
    if !is_new.is_ok_and(|is_new| is_new) {
        return;
    }
    let Fault { script, .. } = fault;
    // It may quote what the script holds.
    let what: String = fault.what.chars().take(MAX_WHAT_CHARS).collect();
    let notice = Notice {
        subject: "Su filtro de correo no funciona / Your mail filter does not work".to_owned(),
        text: format!(
            "El filtro de correo (Sieve) «{script}» de la cuenta {address} ha fallado:\n\n    {what}\n\n\
             No se ha perdido ningún mensaje: mientras el filtro falle, el correo llega a la bandeja de entrada.\n\
             Corrija el filtro, o pida ayuda a quien administra su dominio. Este aviso se repite como mucho una vez a \
             la semana.\n\n-- \n\n\
             The mail filter (Sieve) \"{script}\" of the account {address} has failed:\n\n    {what}\n\n\
             No message was lost: while the filter fails, mail goes to the inbox.\n\
             Correct the filter, or ask whoever administers your domain. This is told once a week at most.\n"
        ),
    };
    tell(services, address, &notice, now_s);
}

/// What an account does too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMuch {
    /// Its owner sends.
    Sent,
    /// Its scripts send on and answer.
    SentOn,
}

/// Tells an account's owner and the admins of its domain that it sends more than it may. It may be a stolen password, so the
/// admins hear of it whatever becomes of the account. Blocks.
pub(crate) fn tell_of_rate(
    services: &Services,
    settings: &Settings,
    id: AccountId,
    address: &Address,
    too_much: TooMuch,
) {
    let now_s = Timestamp::now().as_second();
    let memory = match too_much {
        TooMuch::Sent => {
            tracing::warn!(account = %address, "an account sends more than it may: its mail is refused for now");
            SieveMemoryId::new("rate", &[])
        }
        TooMuch::SentOn => {
            tracing::warn!(account = %address, "an account's scripts send more than they may: for now they send nothing");
            SieveMemoryId::new("rate of scripts", &[])
        }
    };
    let until_s = now_s.saturating_add(RATE_S);
    let is_new = services.directory.write(|tx| tx.claim_sieve_memory(id, &memory, now_s, until_s));
    if !is_new.is_ok_and(|is_new| is_new) {
        return;
    }
    let notice = match too_much {
        TooMuch::Sent => of_sending(address),
        TooMuch::SentOn => of_sending_on(address),
    };
    tell(services, address, &notice, now_s);
    let admins = services.directory.admins_of_domain(address.domain()).unwrap_or_else(|error| {
        tracing::error!(error = edge::causes(&error), "the admins of a domain cannot be told");
        Vec::new()
    });
    for admin in admins.into_iter().filter(|admin| admin.login != *address) {
        match services.directory.account(&admin.login) {
            Ok(Some(here)) => tell(services, &here.address, &notice, now_s),
            _ => tell_elsewhere(services, settings, &admin.login, &notice, now_s),
        }
    }
}

fn of_sending_on(address: &Address) -> Notice {
    Notice {
        subject: format!("Demasiado correo reenviado desde {address} / Too much mail sent on from {address}"),
        text: format!(
            "El reenvío, los filtros o las respuestas automáticas de la cuenta {address} han enviado más correo del \
             permitido. De momento no envían más, y vuelven a hacerlo poco a poco. No se pierde ningún mensaje: los que no \
             se reenvían están en la bandeja de entrada.\n\n\
             Si usted no ha pedido ese reenvío, alguien conoce la contraseña: cámbiela cuanto antes, y revise el reenvío y \
             los filtros. Si es lo que quiere, hable con quien administra su dominio. Este aviso se envía como mucho una vez \
             al día.\n\
             \n-- \n\n\
             Forwarding, filters or automatic answers of the account {address} have sent more mail than they may. For now \
             they send no more; little by little they will. No message is lost: those that are not sent on are in the \
             inbox.\n\n\
             If you did not ask for that forwarding, somebody knows the password: change it as soon as you can, and look \
             at your forwarding and filters. If it is what you want, speak with whoever administers your domain. This is \
             told once a day at most.\n"
        ),
    }
}

fn of_sending(address: &Address) -> Notice {
    Notice {
        subject: format!("Demasiado correo enviado desde {address} / Too much mail sent from {address}"),
        text: format!(
            "La cuenta {address} ha enviado más correo del permitido. De momento no se aceptan más mensajes suyos; se \
             vuelven a aceptar poco a poco.\n\n\
             Si no es usted quien lo envía, alguien conoce la contraseña: cámbiela cuanto antes. Si es un envío legítimo, \
             hágalo en varias veces o hable con quien administra su dominio. Este aviso se envía como mucho una vez al día.\n\
             \n-- \n\n\
             The account {address} has sent more mail than it may. For now no more messages of it are taken; little by little \
             they will be.\n\n\
             If it is not you who sends, somebody knows the password: change it as soon as you can. If it is meant, send it in \
             several goes or speak with whoever administers your domain. This is told once a day at most.\n"
        ),
    }
}

/// Sends a notice to somebody whose mail is not here.
fn tell_elsewhere(services: &Services, settings: &Settings, to: &Address, notice: &Notice, now_s: i64) {
    let (Some(queue), Some(recipient)) = (&settings.queue, queue::recipient(to.as_str())) else { return };
    let recipient = NewRecipient { notify: Notify::NEVER, ..recipient };
    let message = written(&services.policy.hostname, to, notice, now_s);
    let envelope = queue.envelope(Purpose::Notification, "");
    if let Err(error) = queue.put(vec![Queue::mail(None, envelope, vec![recipient], &message)]) {
        tracing::warn!(%to, error = edge::causes(&error), "somebody cannot be told something");
    }
}

/// Puts a notice into an account's INBOX. That it cannot be told is logged.
fn tell(services: &Services, to: &Address, notice: &Notice, now_s: i64) {
    if let Err(error) = try_tell(services, to, notice, now_s) {
        tracing::warn!(account = %to, error, subject = notice.subject, "somebody cannot be told something");
    }
}

fn try_tell(services: &Services, to: &Address, notice: &Notice, now_s: i64) -> Result<(), String> {
    let failed = |error: &(dyn Error + 'static)| edge::causes(error);
    let cell = services.store.cell_of(to);
    let account = cell.open_served(to).map_err(|error| failed(&error))?.id;
    let boxes = crate::boxes::Boxes::read(cell, account, to).map_err(|error| failed(&error))?;
    let mut crlf = crate::trace::delivered(None, to, None).into_bytes();
    crlf.extend_from_slice(&written(&services.policy.hostname, to, notice, now_s));
    let delivery = Delivery {
        account,
        mailbox: boxes.inbox().map_err(|error| failed(&error))?,
        uid: None,
        message: Prepared::new(&crlf, &examine(&crlf)),
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: now_s,
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: None,
    };
    cell.deliver(vec![delivery]).map_err(|error| failed(&error))?;
    Ok(())
}

/// The bytes of a notice.
fn written(host: &str, to: &Address, notice: &Notice, now_s: i64) -> Vec<u8> {
    let Notice { subject, text } = notice;
    let date = crate::trace::date(Timestamp::from_second(now_s).unwrap_or(Timestamp::UNIX_EPOCH));
    let parts = [to.key().as_bytes(), subject.as_bytes(), text.as_bytes(), &now_s.to_le_bytes()];
    let name = DeliveryId::of("reintegra 2026-11 notices", &parts).0;
    let id: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    let head = format!(
        "Date: {date}\nFrom: MAILER-DAEMON@{host}\nTo: {to}\nSubject: {subject}\n\
         Message-ID: <notice.{id}@{host}>\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    );
    message::to_crlf(format!("{head}{text}").as_bytes()).into_owned()
}
