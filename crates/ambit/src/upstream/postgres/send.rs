//! What a permit owns, sent: over the connection that a session lends, or over one of its own for what people confirmed.

use std::sync::Arc;

use ambit_core::decision::Bound;
use ambit_core::permit::Permit;
use ambit_effects::sql::asked::Asked;
use ambit_effects::sql::shape::{Shape, shape};
use serde_json::{Value, json};

use super::exchange::{Lent, Wanted};
use super::place::DatabasePlace;
use super::run::{End, Kept, Ran, Sink};
use super::server::{Broken, Server};
use crate::gate::Sent;
use crate::gate::talk::Talk;

/// Sends exactly what the permit owns, once, to the database of that place.
pub async fn send(permit: Permit, talk: &Talk, place: Arc<DatabasePlace>) -> Sent {
    let most_rows = most_rows(permit.bounds());
    let action = permit.spend();
    let Ok(asked) = Asked::read(&action.payload) else {
        return Sent::NotSent("what was permitted is no statement".to_owned());
    };
    if most_rows.is_some() && shape(&asked.statement) != Shape::Counted {
        return over("refused: how many rows it touches shows in no number, and there is a limit".to_owned());
    }
    match talk.exchange() {
        None => alone(&asked, most_rows, talk, place).await,
        Some(exchange) => {
            let Some(mut lent) = exchange.take() else {
                return Sent::NotSent("the connection that it came over is gone".to_owned());
            };
            let sent = lend(&mut lent, &asked, most_rows, talk, &place).await;
            exchange.give_back(lent);
            sent
        }
    }
}

/// The fewest rows that one of the bounds lets be touched.
fn most_rows(bounds: &[Bound]) -> Option<u64> {
    let rows = bounds.iter().filter_map(|bound| match bound {
        Bound::RowsAtMost { rows, .. } => Some(*rows),
        Bound::Returns(_) => None,
    });
    rows.min()
}

/// Over the connection of the session.
async fn lend(lent: &mut Lent, asked: &Asked, most_rows: Option<u64>, talk: &Talk, place: &DatabasePlace) -> Sent {
    let Some(mut server) = lent.server.take() else { return Sent::NotSent(Broken::Ended.to_string()) };
    if !server.place().is(place) {
        return Sent::NotSent("the system is reached in another way since this connection was made".to_owned());
    }
    let mut sink = match most_rows {
        None => Sink::Agent(&mut lent.agent),
        Some(_) => Sink::Held(&mut lent.agent, Vec::new()),
    };
    match server.run(asked, &lent.wanted, most_rows, &mut sink, talk).await {
        Ok(ran) => {
            lent.server = Some(server);
            said(&ran, most_rows, None)
        }
        Err(broken) => lost(&server, &broken),
    }
}

/// Over a connection of its own, which ends with it.
async fn alone(asked: &Asked, most_rows: Option<u64>, talk: &Talk, place: Arc<DatabasePlace>) -> Sent {
    let mut server = match Server::open(place, &[]).await {
        Ok(server) => server,
        Err(error) => return Sent::NotSent(error.to_string()),
    };
    let wanted = Wanted { describe: true, is_last: true, ..Wanted::default() };
    let mut sink = Sink::Kept(Kept::default());
    match server.run(asked, &wanted, most_rows, &mut sink, talk).await {
        Ok(ran) => {
            server.end().await;
            let kept = match &sink {
                Sink::Kept(kept) => Some(kept),
                Sink::Agent(_) | Sink::Held(..) => None,
            };
            said(&ran, most_rows, kept)
        }
        Err(broken) => lost(&server, &broken),
    }
}

/// What is known when the connection breaks while a statement is under way: nothing. What still runs is to stop.
fn lost(server: &Server, broken: &Broken) -> Sent {
    let canceller = server.canceller();
    tokio::spawn(async move { canceller.cancel().await });
    Sent::Unknown(broken.to_string())
}

/// What came of it, as it is recorded and as the gate says it: the tag, how many rows and their digest; or the fields of an
/// error.
fn said(ran: &Ran, most_rows: Option<u64>, kept: Option<&Kept>) -> Sent {
    let most = most_rows.unwrap_or_default();
    let result = |tag: Value, more: Value| {
        let mut all = json!({ "tag": tag, "rows": ran.rows, "digest": ran.digest });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        Sent::Result(all.to_string().into_bytes())
    };
    match &ran.end {
        End::Done(tag) => result(json!(tag), kept.map_or(Value::Null, stored)),
        End::Empty => result(Value::Null, json!({ "empty": true, "stored": kept.is_some() })),
        End::Suspended => result(Value::Null, json!({ "suspended": true })),
        End::Failed(fields) => error(fields.iter().map(|(letter, text)| (char::from(*letter), text.clone()))),
        End::Over(touched) => {
            over(format!("refused: it touches {touched} rows or more, and at most {most} may be touched"))
        }
        End::TooLarge => {
            over("refused: what it gives is too large to be held back until its rows are counted".to_owned())
        }
    }
}

fn over(why: String) -> Sent {
    let fields = [
        ('S', "ERROR".to_owned()),
        ('V', "ERROR".to_owned()),
        ('C', "42501".to_owned()),
        ('M', why),
        ('D', "Nothing of it stands.".to_owned()),
        ('H', "touch fewer rows at once, in one plain statement".to_owned()),
    ];
    error(fields.into_iter())
}

fn error(fields: impl Iterator<Item = (char, String)>) -> Sent {
    let fields: Vec<(char, String)> = fields.collect();
    Sent::Error(json!({ "error": fields }).to_string().into_bytes())
}

/// Rows, for whoever collects them.
fn stored(kept: &Kept) -> Value {
    if kept.columns.is_empty() {
        return json!({ "stored": true });
    }
    let columns: Vec<Value> = kept
        .columns
        .iter()
        .map(|column| json!({ "name": column.name, "type": column.type_number, "size": column.size, "modifier": column.modifier }))
        .collect();
    json!({ "stored": true, "columns": columns, "values": kept.rows, "cut": kept.cut })
}
