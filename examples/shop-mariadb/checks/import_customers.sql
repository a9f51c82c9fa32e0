CALL expect((SELECT count(*) = 400 AND max(id) = 400 FROM customer));

INSERT INTO customer (email, name)
SELECT concat('import', seq, '@example.org'), concat('Imported ', seq) FROM seq_1_to_20000;
CALL expect((SELECT count(*) = 20400 AND max(id) = 20400 FROM customer));
