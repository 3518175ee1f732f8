//! What is known about a task, and the request in its own words.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use crate::decimal::Decimal;
use crate::truth::Truth;
use crate::value::Value;

/// A piece of work opened by a trusted caller; it narrows the scope while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its name, as `for` uses it.
    pub name: String,
    /// The request, where the caller gave one.
    pub request: Option<Request>,
    /// Facts the caller vouches for: `customer = 8812`.
    pub facts: Vec<(String, Value)>,
}

impl Task {
    /// The fact of that name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// The request that a task works on: its words, and whether somebody inside wrote them.
///
/// Words by an outsider satisfy nothing: every test on them is [`Truth::Unknown`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    folded: String,
    by_insider: bool,
}

impl Request {
    /// A request of that text. `by_insider`: its author is one of the people of `ambit.toml`, or the owner.
    #[must_use]
    pub fn new(text: &str, by_insider: bool) -> Request {
        Request { folded: fold(text).into_owned(), by_insider }
    }

    /// Whether the whole value stands in the request as one run between non-word characters, after normalisation (NFKC),
    /// white-space joining and case folding. Values of fewer than three characters stand in no request, unless they
    /// are numbers.
    ///
    /// Where the value itself holds a joiner (`.`, `@`, `-`, …), as addresses, hosts and paths do, a joiner that glues
    /// it to a further word breaks the run: `dana@acme.example` does not stand in `not-dana@acme.example.evil.example`.
    #[must_use]
    pub fn names(&self, value: &Value) -> Truth {
        if !self.by_insider {
            return Truth::Unknown;
        }
        match value {
            Value::Text(text) => {
                let wanted = fold(text);
                let number = Decimal::parse(&wanted);
                if wanted.is_empty() || (wanted.chars().count() < 3 && number.is_none()) {
                    return Truth::No;
                }
                if let Some(number) = number {
                    return self.names_number(number).or(Truth::from(self.has_run(&wanted)));
                }
                Truth::from(self.has_run(&wanted))
            }
            Value::Number(number) => self.names_number(*number),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) | Value::Unknown => Truth::Unknown,
        }
    }

    /// Whether the value stands between quotes in the request: straight or typographic ones, single, double or angled.
    #[must_use]
    pub fn quotes(&self, value: &Value) -> Truth {
        if !self.by_insider {
            return Truth::Unknown;
        }
        let Value::Text(text) = value else { return Truth::Unknown };
        let wanted = fold(text);
        if wanted.is_empty() {
            return Truth::No;
        }
        let pairs = [("\"", "\""), ("'", "'"), ("“", "”"), ("‘", "’"), ("„", "“"), ("«", "»"), ("`", "`")];
        Truth::from(pairs.iter().any(|(open, close)| self.folded.contains(&format!("{open}{wanted}{close}"))))
    }

    /// Whether the request names that host or domain: alone, in a URL, or as the domain of an address.
    #[must_use]
    pub fn names_host(&self, host: &str) -> Truth {
        if !self.by_insider {
            return Truth::Unknown;
        }
        let wanted = host.to_lowercase();
        Truth::from(self.folded.split(|c: char| c.is_whitespace() || "\"'`“”‘’«»<>()[]{},;|".contains(c)).any(|word| {
            let word = word.split_once("://").map_or(word, |(_, rest)| rest);
            let word = word.split(['/', '?', '#', '\\']).next().unwrap_or(word);
            let word = word.rsplit('@').next().unwrap_or(word);
            let word = word.split(':').next().unwrap_or(word);
            word.trim_matches(|c: char| !c.is_alphanumeric()) == wanted
        }))
    }

    fn has_run(&self, wanted: &str) -> bool {
        let glues = wanted.contains(JOINERS);
        self.folded.match_indices(wanted).any(|(at, run)| {
            let before = self.folded.get(..at).unwrap_or("").chars().rev();
            let after = self.folded.get(at + run.len()..).unwrap_or("").chars();
            open(before, glues) && open(after, glues)
        })
    }

    // A number stands in the request when one of its numbers is equal to it; `1,000` and `1.000.000` are nobody's number.
    fn names_number(&self, wanted: Decimal) -> Truth {
        let in_number = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',' | '_');
        Truth::from(
            self.folded.split(|c| !in_number(c)).any(|word| {
                let word = word.trim_end_matches(['.', ',']);
                word.starts_with(|c: char| c.is_ascii_digit())
                    && Decimal::parse(word).is_some_and(|n| n == wanted || negative_of(n) == Some(wanted))
            }) && (!wanted.is_negative() || self.has_run(&wanted.to_string())),
        )
    }
}

fn negative_of(n: Decimal) -> Option<Decimal> {
    Decimal::ZERO.checked_sub(n)
}

const JOINERS: [char; 9] = ['.', '@', '-', '+', '/', ':', '_', '%', '\\'];

/// Whether a run may end where these characters go on.
fn open(mut going_on: impl Iterator<Item = char>, glues: bool) -> bool {
    match going_on.next() {
        None => true,
        Some(c) if is_word(c) => false,
        Some(c) if glues && JOINERS.contains(&c) => {
            !going_on.next().is_some_and(|c| is_word(c) || JOINERS.contains(&c))
        }
        Some(_) => true,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// NFKC, lower case, every run of white space one blank, none at the ends.
fn fold(text: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase();
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect::<String>().nfkc().collect();
    Cow::Owned(folded.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(t: &str) -> Value {
        Value::Text(t.into())
    }

    fn number(t: &str) -> Value {
        Value::Number(Decimal::parse(t).unwrap())
    }

    #[test]
    fn a_value_stands_in_the_request_as_one_run() {
        let request =
            Request::new("Please pay GB29NWBK60161331926819 98.70 for  the\nPizza Party, cc Dana@Acme.example.", true);
        for yes in ["GB29NWBK60161331926819", "pizza party", "the pizza", "dana@acme.example", "98.7"] {
            assert_eq!(request.names(&text(yes)), Truth::Yes, "{yes}");
        }
        for no in ["GB29", "zza party", "", "  ", "cc", "a@acme.example", "acme.example.evil", "Dana@Acme.exampl"] {
            assert_eq!(request.names(&text(no)), Truth::No, "{no}");
        }
        assert_eq!(request.names(&number("98.70")), Truth::Yes);
        assert_eq!(request.names(&number("98")), Truth::No);
        assert_eq!(request.names(&number("7")), Truth::No);
    }

    #[test]
    fn a_glued_address_does_not_stand_there() {
        let request = Request::new("write to not-dana@acme.example.evil.example and x.dana@acme.example", true);
        assert_eq!(request.names(&text("dana@acme.example")), Truth::No);
        assert_eq!(Request::new("INV-2041 is due", true).names(&text("2041")), Truth::Yes);
    }

    #[test]
    fn numbers_are_whole_numbers_of_the_request() {
        let request = Request::new("transfer 1,000 to 42 and -5 to 7.", true);
        for no in ["1", "0", "1000", "4", "5.1", "-42"] {
            assert_eq!(request.names(&number(no)), Truth::No, "{no}");
        }
        for yes in ["42", "7", "5", "-5"] {
            assert_eq!(request.names(&number(yes)), Truth::Yes, "{yes}");
        }
    }

    #[test]
    fn words_of_an_outsider_satisfy_nothing() {
        let request = Request::new("pay \"mallory\" at evil.example", false);
        assert_eq!(request.names(&text("mallory")), Truth::Unknown);
        assert_eq!(request.quotes(&text("mallory")), Truth::Unknown);
        assert_eq!(request.names_host("evil.example"), Truth::Unknown);
    }

    #[test]
    fn quotes_and_hosts() {
        let request = Request::new(
            "Post “Hello World” on https://www.acme.example/blog?x=1, mail dana@mail.example, see (acme.test).",
            true,
        );
        assert_eq!(request.quotes(&text("hello world")), Truth::Yes);
        assert_eq!(request.quotes(&text("hello")), Truth::No);
        for yes in ["www.acme.example", "mail.example", "acme.test"] {
            assert_eq!(request.names_host(yes), Truth::Yes, "{yes}");
        }
        for no in ["acme.example", "example", "blog"] {
            assert_eq!(request.names_host(no), Truth::No, "{no}");
        }
    }
}
