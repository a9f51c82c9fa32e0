-- Addresses and reviews go with a customer.
PRAGMA foreign_keys = ON;
CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT sum(n) = 10184 FROM row_count;

DELETE FROM shipment_line;
DELETE FROM order_line;
DELETE FROM shipment;
DELETE FROM refund;
DELETE FROM payment;
DELETE FROM orders;
DELETE FROM customer;
INSERT INTO expect SELECT sum(n) = 0 FROM row_count WHERE name IN ('customer', 'address', 'orders', 'review');
INSERT INTO expect SELECT count(*) = 0 FROM pragma_foreign_key_check;
