INSERT INTO show (id, title, seats, price) VALUES
    (1, 'The Cherry Orchard', 120, 1800),
    (2, 'Peer Gynt', 2, 2400);
-- A thousand tickets would do as well: they are sold once, not in every test.
WITH RECURSIVE seat(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM seat WHERE number < 100)
INSERT INTO ticket (show, seat, holder) SELECT 1, number, 'Guest ' || number FROM seat;
