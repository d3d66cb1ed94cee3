//! What a notification says to people: Spanish first, English behind it; what happened, why, what to do now.

use super::text::clean;
use super::{Action, Cause, Dsn, Fate, Kind};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use message::{MONTHS_EN, MONTHS_ES};
use std::fmt::Write;

/// Recipients that are named; the fields for programs have all of them.
const MAX_NAMED: usize = 50;
/// Characters of a line of ours: programs show them unbroken.
const LINE: usize = 78;
/// Characters of the message's subject.
const MAX_SUBJECT: usize = 150;

/// Words in both languages.
#[derive(Clone, Copy)]
struct Both {
    es: &'static str,
    en: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Spanish,
    English,
}

impl Both {
    fn in_(self, language: Language) -> &'static str {
        match language {
            Language::Spanish => self.es,
            Language::English => self.en,
        }
    }
}

const fn both(es: &'static str, en: &'static str) -> Both {
    Both { es, en }
}

/// The Subject: ASCII, so that old programs show it too.
pub(super) fn subject(dsn: &Dsn<'_>) -> &'static str {
    match (dsn.to_postmaster, dsn.kind) {
        (true, _) => "Correo sin entregar y sin remitente / Undeliverable mail without a sender",
        (_, Kind::Failed) => "No se pudo entregar tu mensaje / Your message could not be delivered",
        (_, Kind::Delayed) => "Tu mensaje tarda en entregarse / Your message is delayed",
        (_, Kind::Success) => "Tu mensaje fue entregado / Your message was delivered",
    }
}

/// The words for people, in lines that end in CRLF.
pub(super) fn human(dsn: &Dsn<'_>) -> String {
    let mut page = Page(String::new());
    half(&mut page, dsn, Language::Spanish);
    page.line("");
    page.line(&"-".repeat(40));
    page.line("");
    half(&mut page, dsn, Language::English);
    page.0
}

fn half(page: &mut Page, dsn: &Dsn<'_>, language: Language) {
    let say = |words: Both| words.in_(language);
    let day = |s| day(s, language);
    match (dsn.to_postmaster, dsn.kind) {
        (true, _) => {
            page.paragraph(say(both(
                "Un mensaje no se pudo entregar, y no hay remitente a quien avisar. Te llega a ti para que no se pierda.",
                "A message could not be delivered, and there is no sender to tell. It comes to you so that it is not lost.",
            )));
            page.paragraph(say(both("No se entregó a:", "It was not delivered to:")));
        }
        (_, Kind::Failed) => {
            page.paragraph(say(both("Tu mensaje no se pudo entregar a:", "Your message could not be delivered to:")))
        }
        (_, Kind::Delayed) => page.paragraph(say(both(
            "Tu mensaje todavía no se ha podido entregar a:",
            "Your message has not been delivered yet to:",
        ))),
        (_, Kind::Success) => {
            page.paragraph(say(both("Tu mensaje fue entregado a:", "Your message was delivered to:")))
        }
    }

    for fate in dsn.fates.iter().take(MAX_NAMED) {
        recipient(page, dsn, fate, language);
    }
    if let Some(more) = dsn.fates.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        page.indented(
            2,
            &match language {
                Language::Spanish => format!("y {more} direcciones más; todas están en los datos adjuntos."),
                Language::English => format!("and {more} more addresses; all of them are in the attached data."),
            },
        );
        page.line("");
    }

    match dsn.kind {
        Kind::Failed if dsn.to_postmaster => {}
        Kind::Failed => page.paragraph(say(both(
            "No lo intentaremos más. Si lo envías otra vez, envíalo solo a las direcciones de arriba: las demás no han \
             fallado.",
            "We will not try again. If you send it again, send it to the addresses above only: the others have not failed.",
        ))),
        Kind::Delayed => {
            let until = day(dsn.expires_s);
            page.paragraph(&match language {
                Language::Spanish => format!(
                    "No tienes que hacer nada, ni enviarlo otra vez: lo seguimos intentando hasta el {until}. Si entonces \
                     no se ha podido, te avisaremos."
                ),
                Language::English => format!(
                    "You need not do anything, nor send it again: we keep trying until {until}. If it cannot be done by \
                     then, we will tell you."
                ),
            });
        }
        Kind::Success => {}
    }

    page.line(say(both("El mensaje:", "The message:")));
    if let Some(subject) = subject_of(dsn.message) {
        page.indented(2, &format!("{} {subject}", say(both("Asunto:", "Subject:"))));
    }
    page.indented(2, &format!("{} {}", say(both("Recibido aquí:", "Received here:")), day(dsn.arrived_s)));
    page.indented(2, &format!("{} {}", say(both("Servidor:", "Server:")), clean(dsn.hostname)));
}

fn recipient(page: &mut Page, dsn: &Dsn<'_>, fate: &Fate, language: Language) {
    let say = |words: Both| words.in_(language);
    page.indented(2, &clean(&fate.address));
    let (why, what) = match (fate.action, fate.cause) {
        (Action::Delivered, _) => (both("está en el buzón.", "it is in the mailbox."), None),
        (Action::Relayed, _) => (
            both(
                "lo tiene el servidor siguiente, que no avisa cuando llega al buzón.",
                "the next server has it, which does not tell when it reaches the mailbox.",
            ),
            None,
        ),
        (_, Cause::Operator) => (
            both(
                "el administrador del servidor detuvo la entrega.",
                "the server's administrator stopped the delivery.",
            ),
            Some(both("pregunta a tu proveedor de correo.", "ask your mail provider.")),
        ),
        (Action::Failed | Action::Delayed, _) => {
            let reason = reason(fate.status);
            (reason.why, Some(reason.what))
        }
    };
    if fate.cause == Cause::Expired {
        let days = (dsn.expires_s - dsn.arrived_s).max(0).div_ceil_days();
        page.indented(
            4,
            &match language {
                Language::Spanish => {
                    format!("Lo intentamos durante {days} {}.", if days == 1 { "día" } else { "días" })
                }
                Language::English => format!("We tried for {days} {}.", if days == 1 { "day" } else { "days" }),
            },
        );
    }
    page.indented(4, &format!("{} {}", say(both("Qué pasó:", "What happened:")), say(why)));
    if let Some(what) = what.filter(|_| dsn.kind == Kind::Failed && !dsn.to_postmaster) {
        page.indented(4, &format!("{} {}", say(both("Qué hacer:", "What to do:")), say(what)));
    }
    let said = clean(&fate.said);
    if !said.is_empty() && fate.action != Action::Delivered {
        page.indented(
            4,
            &match (&fate.server, fate.answered, language) {
                (Some(server), _, Language::Spanish) => format!("Respuesta de {}: {said}", clean(server)),
                (Some(server), _, Language::English) => format!("Answer of {}: {said}", clean(server)),
                (None, true, Language::Spanish) => format!("Respuesta del servidor: {said}"),
                (None, true, Language::English) => format!("Answer of the server: {said}"),
                (None, false, Language::Spanish) => format!("Detalle: {said}"),
                (None, false, Language::English) => format!("Detail: {said}"),
            },
        );
    }
    page.line("");
}

trait Days {
    fn div_ceil_days(self) -> i64;
}

impl Days for i64 {
    fn div_ceil_days(self) -> i64 {
        (self + 86_399) / 86_400
    }
}

/// Why something failed, and what to do.
struct Reason {
    why: Both,
    what: Both,
}

/// What a status means to people (RFC 3463, and the registry that RFC 5248 began).
fn reason((class, subject, detail): (u8, u16, u16)) -> Reason {
    let (why, what) = match (subject, detail) {
        (1, 1 | 6) => (
            both("la dirección no existe en el servidor de destino.", "the address does not exist at its server."),
            both("revisa que esté bien escrita.", "check how it is spelt."),
        ),
        (1, 10) => (
            both("ese dominio no recibe correo.", "that domain takes no mail."),
            both("pide otra dirección a esa persona.", "ask that person for another address."),
        ),
        (1, 2) => (
            both("el dominio de la dirección no existe.", "the domain of the address does not exist."),
            both("revisa lo que va después de la @.", "check what stands after the @."),
        ),
        (1, 3) => (
            both(
                "el servidor no acepta la dirección como está escrita.",
                "the server does not take the address as it is spelt.",
            ),
            both("revisa que esté bien escrita.", "check how it is spelt."),
        ),
        (1, 7 | 8) => (
            both(
                "el servidor de destino no acepta tu dirección de remitente.",
                "the server does not take your address as a sender.",
            ),
            both("pregunta a tu proveedor de correo.", "ask your mail provider."),
        ),
        (2, 1) => (
            both("el buzón está cerrado.", "the mailbox is closed."),
            both("contacta a esa persona por otro medio.", "reach that person by other means."),
        ),
        (2, 2) => (
            both("el buzón de destino está lleno.", "the mailbox is full."),
            both(
                "avisa a esa persona por otro medio, o envíalo más tarde.",
                "tell that person by other means, or send it later.",
            ),
        ),
        (2, 3) | (3, 4) => (
            both("el mensaje es demasiado grande para ese buzón.", "the message is too large for that mailbox."),
            both(
                "envíalo sin adjuntos grandes, o comparte un enlace.",
                "send it without large attachments, or share a link.",
            ),
        ),
        (4, 6) => (
            both("el mensaje daba vueltas entre servidores.", "the message went round in circles between servers."),
            both("avisa a tu proveedor de correo.", "tell your mail provider."),
        ),
        (4, _) => (
            both("no se pudo llegar al servidor de destino.", "the server could not be reached."),
            both(
                "revisa lo que va después de la @, o inténtalo más tarde.",
                "check what stands after the @, or try later.",
            ),
        ),
        (6, 7 | 8 | 10) => (
            both(
                "el servidor de destino no acepta direcciones con acentos o ñ.",
                "the server does not take addresses with letters beyond ASCII.",
            ),
            both("pide otra dirección a esa persona.", "ask that person for another address."),
        ),
        (6, _) => (
            both(
                "el servidor de destino no puede con el formato del mensaje.",
                "the server cannot take the message's format.",
            ),
            both("envíalo como texto sencillo.", "send it as plain text."),
        ),
        (7, 4 | 10 | 30) => (
            both(
                "el servidor de destino no ofrece una conexión segura, y este mensaje la exige.",
                "the server offers no secure connection, and this message must have one.",
            ),
            both("avisa a tu proveedor de correo.", "tell your mail provider."),
        ),
        (7, _) => (
            both(
                "el servidor de destino rechazó el mensaje por sus reglas.",
                "the server refused the message by its rules.",
            ),
            both(
                "lee su respuesta; si no la entiendes, reenvíala a tu proveedor de correo.",
                "read its answer; if it tells you nothing, forward it to your mail provider.",
            ),
        ),
        _ if class == 4 => (
            both("el servidor de destino no lo acepta por ahora.", "the server does not take it for now."),
            both("inténtalo más tarde.", "try later."),
        ),
        _ => (
            both("el servidor de destino no lo acepta.", "the server does not take it."),
            both(
                "lee su respuesta; si no la entiendes, reenvíala a tu proveedor de correo.",
                "read its answer; if it tells you nothing, forward it to your mail provider.",
            ),
        ),
    };
    Reason { why, what }
}

/// The message's subject, decoded, on one line of bounded length.
fn subject_of(message: &[u8]) -> Option<String> {
    let found = message::header::find(super::header_of(message), "Subject")?;
    let subject = clean(&message::decoded_header(&found.value()));
    (!subject.is_empty()).then(|| subject.chars().take(MAX_SUBJECT).collect())
}

/// A day and a time for people.
fn day(s: i64, language: Language) -> String {
    let at = Timestamp::from_second(s).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
    let month = usize::try_from(at.month() - 1).expect("months are 1 to 12");
    let (day, year, hour, minute) = (at.day(), at.year(), at.hour(), at.minute());
    match language {
        Language::Spanish => format!("{day} de {} de {year}, {hour:02}:{minute:02} (UTC)", MONTHS_ES[month]),
        Language::English => format!("{day} {} {year}, {hour:02}:{minute:02} (UTC)", MONTHS_EN[month]),
    }
}

/// Lines of text, broken where they are long.
struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push_str("\r\n");
    }

    fn paragraph(&mut self, text: &str) {
        self.indented(0, text);
        self.line("");
    }

    fn indented(&mut self, by: usize, text: &str) {
        let mut column = 0;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if column == 0 || column + 1 + length > LINE {
                let further = if column > 0 { "\r\n" } else { "" };
                let _ = write!(self.0, "{further}{}{word}", " ".repeat(by));
                column = by + length;
            } else {
                self.0.push(' ');
                self.0.push_str(word);
                column += 1 + length;
            }
        }
        self.0.push_str("\r\n");
    }
}
