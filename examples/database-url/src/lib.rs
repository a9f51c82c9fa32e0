//! Tickets for shows.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

/// Connects to the database at an address such as `sqlite:///srv/tickets.db`.
///
/// A documentation test is a test like any other:
///
/// ```
/// let tickets = tickets::connect(&std::env::var("DATABASE_URL")?)?;
/// let sold: u32 = tickets.query_row("SELECT count(*) FROM ticket", [], |row| row.get(0))?;
/// assert_eq!(sold, 100);
/// tickets.execute("DELETE FROM ticket", [])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn connect(url: &str) -> Result<Connection> {
    let database = Connection::open(url.trim_start_matches("sqlite://"))?;
    database.pragma_update(None, "foreign_keys", true)?;
    Ok(database)
}

/// Sells a ticket: its number, or `None` when the show is sold out.
pub fn sell(database: &mut Connection, show: u32, holder: &str) -> Result<Option<u32>> {
    let transaction = database.transaction()?;
    let seat: Option<u32> = transaction
        .query_row(
            "SELECT count(ticket.id) + 1 FROM show LEFT JOIN ticket ON ticket.show = show.id
             WHERE show.id = ?1 GROUP BY show.id HAVING count(ticket.id) < show.seats",
            [show],
            |row| row.get(0),
        )
        .optional()?;
    let Some(seat) = seat else { return Ok(None) };
    transaction.execute(
        "INSERT INTO ticket (show, seat, holder) VALUES (?1, ?2, ?3)",
        params![show, seat, holder],
    )?;
    let ticket = transaction.last_insert_rowid();
    transaction.commit()?;
    Ok(Some(ticket as u32))
}

/// What the sold tickets of a show brought in.
pub fn revenue(database: &Connection, show: u32) -> Result<u32> {
    database.query_row(
        "SELECT price * (SELECT count(*) FROM ticket WHERE show = show.id) FROM show WHERE id = ?1",
        [show],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        connect(&std::env::var("DATABASE_URL").expect("DATABASE_URL")).expect("a database")
    }

    #[test]
    fn the_next_ticket_has_the_next_number() {
        // The same for every test that sells one, in whatever order they run.
        assert_eq!(sell(&mut database(), 1, "Lopakhin"), Ok(Some(101)));
    }

    #[test]
    fn a_show_sells_out() {
        let mut database = database();
        assert_eq!(sell(&mut database, 2, "Solveig"), Ok(Some(101)));
        assert_eq!(sell(&mut database, 2, "Anitra"), Ok(Some(102)));
        assert_eq!(sell(&mut database, 2, "Aase"), Ok(None));
        assert_eq!(revenue(&database, 2), Ok(4800));
    }
}
