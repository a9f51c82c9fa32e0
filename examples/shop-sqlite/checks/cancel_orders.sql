-- The trigger on orders writes a line to audit_log for each change of status.
CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT sum(n) = 10184 FROM row_count;

UPDATE orders SET status = 'cancelled' WHERE status = 'placed';
INSERT INTO expect SELECT changes() = 200;
INSERT INTO expect SELECT count(*) = 300 FROM orders WHERE status = 'cancelled';
INSERT INTO expect SELECT count(*) = 25 + 200 FROM audit_log;
