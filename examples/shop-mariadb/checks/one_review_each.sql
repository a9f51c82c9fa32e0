-- A customer reviews a product once. IGNORE skips a row that breaks the rule; `refused` shows a rule that nothing
-- skips, without failing the test.
CALL expect((SELECT count(*) = 600 FROM review));

INSERT IGNORE INTO review (product_id, customer_id, stars) SELECT product_id, customer_id, 1 FROM review;
CALL expect((SELECT count(*) = 600 FROM review));

CALL refused('INSERT INTO review (product_id, customer_id, stars) VALUES (1, 1, 6)');

INSERT INTO review (product_id, customer_id, stars) VALUES (1, 1, 5);
CALL expect((SELECT count(*) = 601 FROM review));
