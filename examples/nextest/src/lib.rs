//! Accounts.

use postgres::{Client, Error, NoTls};

/// Connects to the database that DATABASE_URL names.
pub fn connect() -> Result<Client, Error> {
    Client::connect(&std::env::var("DATABASE_URL").unwrap_or_default(), NoTls)
}

/// Moves money; `false` when there is not enough.
pub fn transfer(database: &mut Client, from: &str, to: &str, amount: i64) -> Result<bool, Error> {
    let mut transaction = database.transaction()?;
    let taken = "UPDATE account SET balance = balance - $2 WHERE owner = $1 AND balance >= $2";
    if transaction.execute(taken, &[&from, &amount])? == 0 {
        return Ok(false);
    }
    let given = "UPDATE account SET balance = balance + $2 WHERE owner = $1";
    transaction.execute(given, &[&to, &amount])?;
    transaction.commit()?;
    Ok(true)
}
