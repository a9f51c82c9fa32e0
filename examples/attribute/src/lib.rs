//! What a shop does with its database, twice: on SQLite, and on PostgreSQL without blocking. Nothing here knows
//! that there are tests.

/// A shop in one file.
pub mod sqlite {
    use rusqlite::{Connection, Result};

    /// Orders one piece of each variant for a customer, to the customer's address; gives the order's id.
    ///
    /// # Errors
    /// When there is no such customer or variant.
    pub fn place_order(shop: &mut Connection, customer: i64, variants: &[i64]) -> Result<i64> {
        let transaction = shop.transaction()?;
        let order = transaction.query_row(
            "INSERT INTO orders (customer_id, address_id)
             SELECT customer_id, id FROM address WHERE customer_id = ? AND kind = 'shipping' RETURNING id",
            [customer],
            |row| row.get(0),
        )?;
        for (index, variant) in variants.iter().enumerate() {
            let added = transaction.execute(
                "INSERT INTO order_line (order_id, position, variant_id, quantity, unit_price_cents)
                 SELECT ?, ?, id, 1, price_cents FROM variant WHERE id = ?",
                (order, index as i64 + 1, variant),
            )?;
            if added == 0 {
                return Err(rusqlite::Error::QueryReturnedNoRows);
            }
        }
        transaction.commit()?;
        Ok(order)
    }

    /// What an order costs, in cents.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn total(shop: &Connection, order: i64) -> Result<i64> {
        let total = "SELECT gross_cents - discount_cents FROM order_total WHERE order_id = ?";
        shop.query_row(total, [order], |row| row.get(0))
    }
}

/// A shop on a server.
pub mod postgres {
    use tokio_postgres::{Client, Error};

    /// Cancels all orders of a customer that aren't on their way; gives their number.
    ///
    /// # Errors
    /// When the server is not reached.
    pub async fn cancel_orders(shop: &Client, customer: i64) -> Result<u64, Error> {
        let cancel = "UPDATE orders SET status = 'cancelled'
                      WHERE customer_id = $1 AND status IN ('placed', 'paid')";
        shop.execute(cancel, &[&customer]).await
    }

    /// How many orders there are in a state.
    ///
    /// # Errors
    /// When the server is not reached.
    pub async fn count(shop: &Client, status: &str) -> Result<i64, Error> {
        let count = "SELECT count(*) FROM orders WHERE status = $1";
        Ok(shop.query_one(count, &[&status]).await?.get(0))
    }
}
