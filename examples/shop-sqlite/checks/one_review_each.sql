-- A customer reviews a product once. OR IGNORE skips a row that breaks a rule, so that the rule can be
-- shown without failing the test.
CREATE TEMP TABLE expect (ok CHECK (ok IS TRUE));
INSERT INTO expect SELECT count(*) = 600 FROM review;

INSERT OR IGNORE INTO review (product_id, customer_id, stars) SELECT product_id, customer_id, 1 FROM review;
INSERT INTO expect SELECT count(*) = 600 FROM review;
INSERT OR IGNORE INTO review (product_id, customer_id, stars) VALUES (1, 1, 6);
INSERT INTO expect SELECT count(*) = 600 FROM review;
INSERT OR IGNORE INTO review (product_id, customer_id, stars) VALUES (1, 1, 5);
INSERT INTO expect SELECT count(*) = 601 FROM review;
