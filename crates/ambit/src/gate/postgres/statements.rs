//! What an agent's driver prepared and bound, by name. Bounded, so that no driver fills the memory with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambit_effects::sql::asked::{Asked, Bound, Parameter};
use ambit_effects::sql::split;

use super::say::Said;

/// A statement that was prepared.
#[derive(Debug)]
pub(super) struct Statement {
    /// Its text.
    pub text: String,
    /// The types of its parameters, as far as the driver said.
    pub types: Vec<u32>,
    /// Its name, at the server as well; empty: the unnamed one.
    pub name: String,
    /// Whether there is nothing in it: drivers ask so whether anybody is there.
    pub is_empty: bool,
}

/// A statement with what is bound to it.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    /// The statement.
    pub statement: Arc<Statement>,
    /// What is asked.
    pub asked: Arc<Asked>,
    /// Which columns are to be in binary form.
    pub results: Vec<bool>,
    /// Its name, at the server as well; empty: the unnamed one.
    pub name: String,
    /// How far it is.
    pub stage: Stage,
    size: usize,
}

/// How far a portal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was not executed.
    Bound,
    /// It gave as many rows as were wanted, and may have more.
    Open,
    /// It is done.
    Done,
}

/// Both, by the names that the driver gave them.
#[derive(Default)]
pub(super) struct Statements {
    statements: BTreeMap<String, Arc<Statement>>,
    portals: BTreeMap<String, Portal>,
    // What of them is in memory.
    bytes: usize,
}

// So many of each, and so many bytes of all.
const MOST: usize = 4_096;
const MOST_BYTES: usize = 96 << 20;

impl Statements {
    /// Keeps a statement.
    pub fn prepare(&mut self, name: &str, text: &str, types: Vec<u32>) -> Result<(), Said> {
        if name.is_empty() {
            self.forget_statement("");
        } else if self.statements.contains_key(name) {
            return Err(Said::error("42P05", format!("prepared statement \"{name}\" already exists")));
        }
        self.room(self.statements.len(), text.len())?;
        self.bytes += text.len();
        let is_empty = split(text).is_ok_and(|all| all.is_empty());
        let statement = Statement { text: text.to_owned(), types, name: name.to_owned(), is_empty };
        self.statements.insert(name.to_owned(), Arc::new(statement));
        Ok(())
    }

    /// A statement by its name.
    pub fn statement(&self, name: &str) -> Result<Arc<Statement>, Said> {
        let found = self.statements.get(name).cloned();
        found.ok_or_else(|| Said::error("26000", format!("prepared statement \"{name}\" does not exist")))
    }

    /// Keeps a portal. `types`: those of all the statement's parameters, where the server was asked.
    pub fn bind(
        &mut self,
        name: &str,
        statement: &str,
        values: &[(bool, Option<&[u8]>)],
        results: Vec<bool>,
        types: Option<&[u32]>,
    ) -> Result<(), Said> {
        if name.is_empty() {
            self.forget_portal("");
        } else if self.portals.contains_key(name) {
            return Err(Said::error("42P03", format!("portal \"{name}\" already exists")));
        }
        let statement = self.statement(statement)?;
        let size = values.iter().map(|(_, value)| value.map_or(1, <[u8]>::len)).sum();
        self.room(self.portals.len(), size)?;
        let kind = |at: usize| {
            let given = statement.types.get(at).copied().filter(|given| *given != 0);
            given.or_else(|| types?.get(at).copied()).unwrap_or(0)
        };
        let parameters = values.iter().enumerate().map(|(at, (binary, value))| {
            let value = match (value, binary) {
                (None, _) => Bound::Null,
                (Some(bytes), true) => Bound::Binary(bytes.to_vec()),
                (Some(bytes), false) => {
                    Bound::Text(std::str::from_utf8(bytes).map_err(|_| Said::not_text())?.to_owned())
                }
            };
            Ok(Parameter { type_number: kind(at), value })
        });
        let parameters = parameters.collect::<Result<_, Said>>()?;
        let asked = Arc::new(Asked { statement: statement.text.clone(), parameters });
        self.bytes += size;
        let portal = Portal { statement, asked, results, name: name.to_owned(), stage: Stage::Bound, size };
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    /// A portal by its name.
    pub fn portal(&mut self, name: &str) -> Result<&mut Portal, Said> {
        let found = self.portals.get_mut(name);
        found.ok_or_else(|| Said::error("34000", format!("portal \"{name}\" does not exist")))
    }

    /// Forgets a statement, if there is one; what the server calls it.
    pub fn forget_statement(&mut self, name: &str) -> Option<Arc<Statement>> {
        let gone = self.statements.remove(name)?;
        self.bytes = self.bytes.saturating_sub(gone.text.len());
        Some(gone)
    }

    /// Forgets a portal, if there is one.
    pub fn forget_portal(&mut self, name: &str) -> Option<Portal> {
        let gone = self.portals.remove(name)?;
        self.bytes = self.bytes.saturating_sub(gone.size);
        Some(gone)
    }

    /// Forgets all statements: the agent had them deallocated.
    pub fn forget_statements(&mut self) {
        self.bytes = self.bytes.saturating_sub(self.statements.values().map(|one| one.text.len()).sum());
        self.statements.clear();
    }

    /// Forgets all portals: a transaction ended.
    pub fn forget_portals(&mut self) {
        self.bytes = self.bytes.saturating_sub(self.portals.values().map(|portal| portal.size).sum());
        self.portals.clear();
    }

    fn room(&self, count: usize, bytes: usize) -> Result<(), Said> {
        if count < MOST && self.bytes.saturating_add(bytes) <= MOST_BYTES {
            return Ok(());
        }
        let help = "close the statements and portals that are not needed any more";
        Err(Said::error("53400", "too much is prepared or bound on this connection".to_owned()).with_help(help))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_prepared_and_bound_is_found_by_name_until_it_is_forgotten() {
        let mut all = Statements::default();
        all.prepare("s", "SELECT $1", vec![23]).unwrap();
        assert_eq!(all.prepare("s", "SELECT 2", vec![]).unwrap_err().code(), "42P05");
        all.prepare("", "SELECT 1", vec![]).unwrap();
        all.prepare("", "SELECT 2", vec![]).unwrap();
        assert_eq!(all.statement("").unwrap().text, "SELECT 2");
        let one = (true, Some(&[0, 0, 0, 1][..]));
        all.bind("p", "s", &[one], vec![true], None).unwrap();
        assert_eq!(all.portal("p").unwrap().asked.parameters[0].type_number, 23);
        assert_eq!(all.bind("p", "s", &[one], vec![], None).unwrap_err().code(), "42P03");
        assert_eq!(all.bind("q", "t", &[], vec![], None).unwrap_err().code(), "26000");
        assert_eq!(all.bind("q", "s", &[(false, Some(b"\xff"))], vec![], None).unwrap_err().code(), "22021");
        all.bind("", "", &[(false, None), one], vec![], Some(&[25, 16])).unwrap();
        let kinds: Vec<u32> = all.portal("").unwrap().asked.parameters.iter().map(|one| one.type_number).collect();
        assert_eq!(kinds, [25, 16]);
        // A portal stands without its statement, and with what it was then.
        all.forget_statement("s").unwrap();
        all.prepare("s", "SELECT 3", vec![]).unwrap();
        assert_eq!(all.portal("p").unwrap().asked.statement, "SELECT $1");
        all.forget_portals();
        assert_eq!(all.portal("p").unwrap_err().code(), "34000");
        assert_eq!(all.bytes, "SELECT 2SELECT 3".len());
        all.forget_statements();
        assert_eq!((all.bytes, all.statement("").unwrap_err().code()), (0, "26000"));
    }

    #[test]
    fn nobody_keeps_more_than_there_is_room_for() {
        let mut all = Statements::default();
        let large = "x".repeat(1 << 20);
        let kept = (0..).take_while(|at| all.prepare(&format!("s{at}"), &large, vec![]).is_ok()).count();
        assert_eq!(kept, 96);
        let mut all = Statements::default();
        let kept = (0..).take_while(|at| all.prepare(&format!("s{at}"), "", vec![]).is_ok()).count();
        assert_eq!(kept, MOST);
    }
}
