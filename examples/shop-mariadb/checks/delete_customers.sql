-- Addresses and reviews go with a customer.
CALL expect((SELECT sum(n) = 10184 FROM row_count));

DELETE FROM shipment_line;
DELETE FROM order_line;
DELETE FROM shipment;
DELETE FROM refund;
DELETE FROM payment;
DELETE FROM orders;
DELETE FROM customer;
CALL expect((SELECT sum(n) = 0 FROM row_count WHERE name IN ('customer', 'address', 'orders', 'review')));
