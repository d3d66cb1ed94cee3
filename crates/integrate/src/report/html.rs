//! The report as one HTML page that needs nothing else: no script, no picture, no font, nothing from anywhere.
//!
//! Both languages are in the page and a pair of radio buttons chooses, Spanish at first. Everything that the report
//! quotes is escaped, shown without control characters and kept apart from the direction of the text around it; should
//! anything slip through, the page's own policy allows no script and only its own style sheet, by hash.

mod bilingual;
mod view;

use super::model::Report;
use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The style sheet, part of every page.
const STYLE: &str = include_str!("../../templates/report.css");

/// At most so many rows of one list are shown; the page says how many there are and where the others are.
const MAX_LIST_ROWS: usize = 500;

/// With more accounts than this in one page, the mailboxes of each are left to the pages of the domains: a page of eight
/// thousand accounts stays at some megabytes.
const MAX_ACCOUNTS_WITH_MAILBOXES: usize = 1000;

/// Names, addresses and subjects are cut to so many characters.
const MAX_QUOTED_CHARS: usize = 300;

/// Paths, evidence and what a choice does are cut to so many characters.
const MAX_STATEMENT_CHARS: usize = 2000;

/// The whole report as a page.
pub fn render(report: &Report) -> String {
    let style_hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes()));
    let page = view::Page::new(report, STYLE, style_hash);
    page.render().expect("a String takes any text, and the template can fail in no other way")
}

/// The page for one domain's admin, who sees nothing of any other; `None` when the domain is not in the report.
pub fn render_domain(report: &Report, domain: &str) -> Option<String> {
    report.for_domain(domain).as_ref().map(render)
}
