//! The page of a report: complete in itself, safe whatever it quotes, true in both languages.
#![allow(clippy::unwrap_used)]

mod report_sample;

use integrate::report::{DomainReport, Notice, NoticeKind, Report, Totals, Verdict, html};
use report_sample::{account, report};

const HOSTILE: &str = "</span></style><script>alert(1)</script><img src=x onerror=\"a\" '&amp;\u{202e}\u{7}\r\n";

#[test]
fn the_page_needs_nothing_from_anywhere() {
    for page in [html::render(&report()), html::render_domain(&report(), "ejemplo.mx").unwrap()] {
        for forbidden in
            ["<script", "<link", "<img", "<iframe", "<form", "<object", "url(", "@import", "http:", "https:"]
        {
            assert!(!page.contains(forbidden), "the page has {forbidden}");
        }
        for attribute in [" src=", " style=", " onload", " onclick", " srcset="] {
            assert!(!page.contains(attribute), "the page has {attribute}");
        }
        for link in page.split("href=\"").skip(1) {
            let target = &link[..link.find('"').unwrap()];
            let name = target.strip_prefix('#').expect("a link leads into the page");
            assert!(page.contains(&format!("id=\"{name}\"")), "{target} leads nowhere");
        }
        assert!(page.starts_with("<!doctype html>"));
        assert!(page.contains("<html lang=\"es-MX\">"));
    }
}

#[test]
fn the_policy_of_the_page_allows_its_own_style_sheet_only() {
    use base64::Engine as _;
    let page = html::render(&report());
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = ring::digest::digest(&ring::digest::SHA256, style.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(digest);
    assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'")));
    assert_eq!(page.matches("<style>").count(), 1);
}

#[test]
fn whatever_strangers_wrote_is_shown_as_text() {
    let mut report = report();
    report.integration.label = HOSTILE.to_owned();
    report.integration.tool_version = HOSTILE.to_owned();
    report.integration.policy = serde_json::json!({ HOSTILE: HOSTILE });
    report.integration.sources[0].description = HOSTILE.to_owned();
    let notice = Notice {
        kind: NoticeKind::MailboxRenamed,
        rule: HOSTILE.to_owned(),
        count: None,
        detail: Some(HOSTILE.to_owned()),
    };
    report.notices.push(notice.clone());
    for domain in &mut report.domains {
        domain.name = HOSTILE.to_owned();
        for account in &mut domain.accounts {
            account.address = HOSTILE.to_owned();
            account.notices.push(notice.clone());
            for mailbox in &mut account.mailboxes {
                mailbox.name = HOSTILE.to_owned();
                mailbox.name_before = Some(HOSTILE.to_owned());
            }
        }
    }
    for conflict in &mut report.conflicts {
        conflict.domain = HOSTILE.to_owned();
        conflict.address = HOSTILE.to_owned();
        for evidence in &mut conflict.evidence {
            evidence.before = Some(integrate::report::EvidenceValue::Text(HOSTILE.to_owned()));
            evidence.after = evidence.before.clone();
        }
        for choice in &mut conflict.choices {
            choice.code = HOSTILE.to_owned();
            choice.effect_es = HOSTILE.to_owned();
            choice.effect_en = format!("{HOSTILE}!");
        }
        if let integrate::report::ConflictState::Decided { by, .. } = &mut conflict.state {
            *by = Some(HOSTILE.to_owned());
        }
    }
    for (place, entry) in report.damage.iter_mut().enumerate() {
        entry.path = HOSTILE.to_owned();
        entry.account = Some(HOSTILE.to_owned());
        entry.reason = match place % 2 {
            0 => integrate::report::DamageReason::Other(HOSTILE.to_owned()),
            _ => integrate::report::DamageReason::System(HOSTILE.to_owned()),
        };
    }
    for pair in report.same_message_id.iter_mut().chain(&mut report.near_twins) {
        pair.address = HOSTILE.to_owned();
        pair.subject = Some(HOSTILE.to_owned());
        pair.first.mailbox = HOSTILE.to_owned();
        pair.differs = vec![HOSTILE.to_owned()];
    }
    let ledger = report.ledger.as_mut().unwrap();
    (ledger.head, ledger.public_key) = (HOSTILE.to_owned(), HOSTILE.to_owned());

    for page in [html::render(&report), html::render_domain(&report, HOSTILE).unwrap()] {
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown, not left out");
        for forbidden in ["<script", "<img", "onerror=\"", "\u{202e}", "\u{7}", "\r"] {
            assert!(!page.contains(forbidden), "{forbidden:?} came through");
        }
        assert_eq!(page.matches("</style>").count(), 1);
        assert_eq!(tags(&page).iter().filter(|tag| tag.starts_with("style")).count(), 1);
    }
}

#[test]
fn a_long_text_is_cut_and_says_so() {
    let mut report = report();
    report.same_message_id[0].subject = Some("ñ".repeat(100_000));
    let page = html::render(&report);
    assert!(page.contains(&format!("{}…", "ñ".repeat(300))));
    assert!(!page.contains(&"ñ".repeat(301)));
}

#[test]
fn both_languages_are_in_the_page_and_spanish_is_chosen() {
    let page = html::render(&report());
    assert_eq!(page.matches("<span lang=es>").count(), page.matches("<span lang=en>").count());
    assert!(page.contains("id=\"es\" checked"));
    assert!(!page.contains("id=\"en\" checked"));
    for text in [
        "Correo de antes (hasta el 3 de noviembre de 2026)",
        "Earlier mail (until 3 November 2026)",
        "Correo nuevo (desde el 4 de noviembre de 2026)",
        "Reunimos 12,480 mensajes de antes y 342 nuevos; 32 estaban en ambos: hay 12,790 en total.",
        "We joined 12,480 earlier messages and 342 new; 32 were in both: 12,790 in all.",
        "Comprobado el 29 de noviembre de 2026, 4:32 a.m. (hora del centro de México)",
        "¿Es info@ejemplo.mx la misma persona en los dos periodos?",
        "Pon una contraseña a la cuenta que no tiene",
    ] {
        assert!(page.contains(text), "missing: {text}");
    }
    let spoken = page.to_lowercase();
    for never in ["servidor viejo", "servidor nuevo", "old server", "new server", "migra", "fusion", "cuota"] {
        assert!(!spoken.contains(never), "the page says {never}");
    }
}

#[test]
fn the_sum_is_shown_and_a_sum_that_fails_is_said() {
    let page = html::render(&report());
    for number in ["21,165", "1,738", "105", "934", "21,864"] {
        assert!(page.contains(number), "missing: {number}");
    }
    assert!(page.contains("Los números cuadran."));

    let mut lossy = report();
    lossy.totals.result -= 2;
    lossy.domains[1].accounts[0].totals.result -= 2;
    lossy.verdict = Verdict::judge(&lossy.totals, true);
    let page = html::render(&lossy);
    assert!(page.contains("Los números no cuadran: debería haber 21,864 y hay 21,862."));
    assert!(page.contains("The numbers do not add up: there should be 21,864 and there are 21,862."));
    assert!(page.contains("No confirmes todavía"));
    assert!(!page.contains("Los números cuadran."));
}

#[test]
fn a_complete_report_says_so_and_asks_nothing() {
    let page = html::render_domain(&report(), "taller.example").unwrap();
    assert!(page.contains(">Completo<"));
    assert!(!page.contains(">Incompleto<"));
    assert!(page.contains("Nada. No hay nada que decidir ni que arreglar."));
    assert!(page.contains("Todo se pudo leer, y nada estaba dañado."));
    assert!(page.contains("No queda nada por decidir."));
}

#[test]
fn the_page_of_a_domain_shows_nothing_of_another_nor_of_the_operator() {
    let whole = report();
    assert!(html::render_domain(&whole, "nowhere.example").is_none());
    for domain in ["ejemplo.mx", "tienda.example", "taller.example"] {
        let page = html::render_domain(&whole, domain).unwrap();
        for other in ["ejemplo.mx", "tienda.example", "taller.example"].iter().filter(|other| **other != domain) {
            assert!(!page.contains(other), "{domain} sees {other}");
        }
        for operators in ["/srv/recovered", "Grupo Secreto", "lost+found", "Regreso", "conflicts resolve", "22,871"] {
            assert!(!page.contains(operators), "{domain} sees {operators}");
        }
        assert!(page.contains("reintegra ledger check"));
    }
}

#[test]
fn tags_are_balanced() {
    for page in [html::render(&report()), html::render_domain(&report(), "tienda.example").unwrap()] {
        let mut open = Vec::new();
        for tag in tags(&page) {
            let name = tag.trim_start_matches('/').split([' ', '>', '/', '\n']).next().unwrap();
            // Those that are never closed, and those whose end HTML lets out in the rows of the mailbox tables.
            if matches!(name, "!doctype" | "meta" | "input" | "br" | "wbr" | "tr" | "td" | "tbody")
                || tag.ends_with('/')
            {
                continue;
            }
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name.to_owned()), "</{name}> closes another");
            } else {
                open.push(name.to_owned());
            }
        }
        assert_eq!(open, Vec::<String>::new());
    }
}

#[test]
fn the_choice_that_was_taken_is_marked() {
    let mut report = report();
    report.conflicts.truncate(2);
    report.conflicts[1].state = integrate::report::ConflictState::Decided {
        choice: "another-address:luis@ejemplo.mx".to_owned(),
        by: None,
        at: None,
    };
    let page = html::render(&report);
    let marked = |text: &str| page.contains(&format!("<li class=\"marked\"><span><span lang=es>{text}"));
    assert!(marked("Lo que hace «both»."), "the recommended one, while it waits");
    assert!(marked("Lo que hace «another-address:ADDRESS»."), "the one taken, whatever was given with it");
    assert!(!marked("Lo que hace «sealed-until:DATE»."));
}

#[test]
fn a_large_installation_makes_a_page_that_can_be_opened() {
    let mut large = report();
    large.domains = (0..400)
        .map(|domain| {
            let accounts: Vec<_> = (0..20)
                .map(|person| {
                    account(
                        &format!("persona{person}@d{domain}.example"),
                        integrate::report::Case::Both,
                        1_200,
                        340,
                        17,
                    )
                })
                .collect();
            let mut totals = Totals::default();
            accounts.iter().for_each(|account| totals += account.totals);
            DomainReport {
                name: format!("d{domain}.example"),
                grade: integrate::report::Grade::Perfect,
                totals,
                accounts,
            }
        })
        .collect();
    large.damage = std::iter::repeat_with(|| large.damage[0].clone()).take(50_000).collect();
    let page = html::render(&large);
    assert!(page.len() < 10_000_000, "{} bytes", page.len());
    assert!(page.contains("persona19@<wbr>d399.example"));
    assert!(page.contains("Aquí se ven 500 de 50,000."));
    assert!(page.contains("Son muchas cuentas"));

    let one = html::render_domain(&large, "d7.example").unwrap();
    assert!(one.contains("Proyectos/2026"), "the page of a domain has the mailboxes");
}

#[test]
fn an_empty_report_is_a_page() {
    let empty = Report {
        totals: Totals::default(),
        domains: vec![],
        conflicts: vec![],
        damage: vec![],
        same_message_id: vec![],
        near_twins: vec![],
        notices: vec![],
        ledger: None,
        ..report()
    };
    let page = html::render(&empty);
    assert!(page.contains("El registro aún no se ha exportado."));
    assert!(!page.contains("NaN"));
}

/// What stands between `<` and `>`, without the style sheet.
fn tags(page: &str) -> Vec<&str> {
    let (head, rest) = page.split_once("<style>").unwrap();
    let body = rest.split_once("</style>").unwrap().1;
    let inside = |text| str::split(text, '<').skip(1).map(|part: &str| &part[..part.find('>').unwrap()]);
    inside(head).chain(["style", "/style"]).chain(inside(body)).collect()
}
