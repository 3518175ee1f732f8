//! Cases in Markdown: short fragments, put into a frame that makes whole documents of them.

use std::ops::Range;

use ambit_core::scope::Section;

/// One case: a heading of a file under `cases/scope/`, with what follows it.
pub struct Case {
    pub file: &'static str,
    pub heading: String,
    pub line: usize,
    /// What is read, by the word after the fence: `scope`, `scenarios`.
    pub input: String,
    pub is_scenarios: bool,
    /// The block `canonical`.
    pub canonical: Option<String>,
    /// The block `findings`.
    pub findings: Option<String>,
}

/// The cases of a file. A heading of level 2 starts a case, a fence its blocks; everything else is for people.
pub fn cases(file: &'static str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            cases.push(Case {
                file,
                heading: heading.to_owned(),
                line: number + 1,
                input: String::new(),
                is_scenarios: false,
                canonical: None,
                findings: None,
            });
        }
        if !line.starts_with("```") {
            continue;
        }
        let fence = &line[..line.len() - line.trim_start_matches('`').len()];
        let block: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != fence)
            .map(|line| format!("{line}\n"))
            .collect();
        let case = cases.last_mut().unwrap_or_else(|| panic!("{file}:{}: a block before any heading", number + 1));
        match &line[fence.len()..] {
            "scope" => case.input = block,
            "scenarios" => (case.input, case.is_scenarios) = (block, true),
            "canonical" => case.canonical = Some(block),
            "findings" => case.findings = Some(block),
            other => panic!("{file}:{}: a block of `{other}`", number + 1),
        }
    }
    cases
}

const HEAD: &str = "---\nagent: a\nowner: o\n---\n\n# Agent\n\nDoes its work.\n";

/// A fragment as a whole document, and where the fragment stands in it. What starts with `---`, `# ` or `⟨` is whole; what
/// has no heading stands under `## It can write`; the questions that do not stand in it are answered with `- nothing`.
pub fn framed(fragment: &str) -> (String, Range<usize>) {
    if ["---", "# ", "⟨"].iter().any(|start| fragment.starts_with(start)) {
        return (fragment.to_owned(), 0..fragment.len());
    }
    let headed = fragment.lines().any(|line| line.starts_with("## "));
    let fragment = if headed { fragment.to_owned() } else { format!("## It can write\n\n{fragment}") };
    let stands = |section: &Section| fragment.contains(&format!("## {}\n", section.title()));
    let first = Section::ALL.iter().position(stands).unwrap_or(4);
    let mut out = HEAD.to_owned();
    out.extend(Section::ALL[..first].iter().map(nothing));
    out.push('\n');
    let start = out.len() + if headed { 0 } else { "## It can write\n\n".len() };
    out.push_str(&fragment);
    let end = out.len();
    let missing: String = Section::ALL[first..].iter().filter(|section| !stands(section)).map(nothing).collect();
    // Scenarios and notes come after the questions, so the rest of the frame goes before them.
    let tail = ["\n## Scenarios\n", "\n## Notes\n"].iter().filter_map(|heading| out[start - 1..].find(heading)).min();
    match tail {
        Some(tail) if !missing.is_empty() => {
            let at = start - 1 + tail;
            out.insert_str(at, &missing);
            (out, at + missing.len() + 1..end + missing.len())
        }
        _ => {
            out.push_str(&missing);
            (out, start..end)
        }
    }
}

fn nothing(section: &Section) -> String {
    format!("\n## {}\n\n- nothing\n", section.title())
}

/// Writes out what stands between `⟨` and `⟩`: `U+200B` is that character, `byte FF` that byte, `90 × ab` is `ab` ninety
/// times, `questions` the four questions with the answer `- nothing`.
pub fn written_out(text: &str) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('⟨') {
        let (inside, after) = after.split_once('⟩').expect("a `⟨` is closed by `⟩`");
        out.extend(before.bytes());
        if let Some(code) = inside.strip_prefix("U+") {
            let c = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
            out.extend(c.to_string().bytes());
        } else if inside == "questions" {
            out.extend(Section::ALL.iter().map(nothing).collect::<String>().trim().bytes());
        } else if let Some(byte) = inside.strip_prefix("byte ") {
            out.push(u8::from_str_radix(byte, 16).unwrap());
        } else {
            let (count, text) = inside.split_once(" × ").expect("`⟨COUNT × TEXT⟩`");
            let text = text.replace("\\n", "\n");
            (0..count.parse::<usize>().unwrap())
                .for_each(|number| out.extend(text.replace('#', &number.to_string()).bytes()));
        }
        rest = after;
    }
    out.extend(rest.bytes());
    out
}
