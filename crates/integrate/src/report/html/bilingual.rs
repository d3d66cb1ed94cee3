//! Text in both languages at one place of the page, and text quoted from strangers.

use super::{MAX_QUOTED_CHARS, MAX_STATEMENT_CHARS};
use crate::report::sentence::Language;
use crate::report::text::Texts;
use askama::filters::HtmlSafe;
use std::fmt::{self, Write as _};

/// A text in both languages. It writes itself as HTML, escaped; the style sheet shows one of the two.
pub(super) struct Bilingual {
    es: String,
    en: String,
}

impl Bilingual {
    /// Makes a text from both catalogues.
    pub(super) fn of<T: Into<String>>(text: impl Fn(&'static Texts) -> T) -> Self {
        Self::by(|_, texts| text(texts))
    }

    /// The same, where the language itself matters (dates).
    pub(super) fn by<T: Into<String>>(text: impl Fn(Language, &'static Texts) -> T) -> Self {
        let text = |language| text(language, Texts::of(language)).into();
        Bilingual { es: text(Language::Spanish), en: text(Language::English) }
    }

    /// The Spanish text alone, unescaped.
    pub(super) fn spanish(&self) -> &str {
        &self.es
    }

    /// The English text alone, unescaped.
    pub(super) fn english(&self) -> &str {
        &self.en
    }
}

impl fmt::Display for Bilingual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.es == self.en {
            return escape(&self.es, f);
        }
        f.write_str("<span lang=es>")?;
        escape(&self.es, f)?;
        f.write_str("</span><span lang=en>")?;
        escape(&self.en, f)?;
        f.write_str("</span>")
    }
}

/// It escapes itself.
impl HtmlSafe for Bilingual {}

/// What a stranger wrote: cut, without characters that cannot be seen or that turn the text around them, and isolated.
pub(super) struct Quoted {
    text: String,
    /// Whether a line may end after its `@`.
    is_address: bool,
}

impl Quoted {
    /// Quotes a text.
    pub(super) fn new(text: &str) -> Self {
        Quoted { text: clean(text), is_address: false }
    }

    /// Quotes a longer text.
    pub(super) fn statement(text: &str) -> Self {
        Quoted { text: clean_statement(text), is_address: false }
    }

    /// Quotes an address.
    pub(super) fn address(text: &str) -> Self {
        Quoted { text: clean(text), is_address: true }
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<bdi>")?;
        match self.text.rsplit_once('@').filter(|_| self.is_address) {
            Some((local, domain)) => {
                escape(local, f)?;
                f.write_str("@<wbr>")?;
                escape(domain, f)?;
            }
            None => escape(&self.text, f)?,
        }
        f.write_str("</bdi>")
    }
}

/// It escapes itself.
impl HtmlSafe for Quoted {}

/// Makes a stranger's text, a name or the like, fit to stand in a text of ours.
pub(super) fn clean(text: &str) -> String {
    clean_to(text, MAX_QUOTED_CHARS)
}

/// Makes a longer text of a stranger fit.
pub(super) fn clean_statement(text: &str) -> String {
    clean_to(text, MAX_STATEMENT_CHARS)
}

fn clean_to(text: &str, max_chars: usize) -> String {
    let mut characters = text.chars();
    let mut cleaned: String =
        characters.by_ref().take(max_chars).map(|c| if is_unseen(c) { '\u{fffd}' } else { c }).collect();
    if characters.next().is_some() {
        cleaned.push('…');
    }
    cleaned
}

/// Control characters, and those that change direction or join without being seen.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for part in text.split_inclusive(['&', '<', '>', '"', '\'']) {
        let (plain, special) = part.split_at(part.trim_end_matches(['&', '<', '>', '"', '\'']).len());
        f.write_str(plain)?;
        for c in special.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
    }
    Ok(())
}
