CALL expect((SELECT count(*) = 50 AND sum(amount_cents) = 466907 FROM refund));

INSERT INTO refund (payment_id, amount_cents, reason)
SELECT id, amount_cents, 'recall' FROM payment WHERE id NOT IN (SELECT payment_id FROM refund);
CALL expect((SELECT count(*) = 700 FROM refund));
