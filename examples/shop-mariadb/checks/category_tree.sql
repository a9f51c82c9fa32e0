CALL expect((SELECT count(*) = 24 FROM category));

-- Ten levels below the last category.
INSERT INTO category (id, parent_id, name) SELECT seq, seq - 1, concat('Level ', seq) FROM seq_25_to_34;

CALL expect((
    WITH RECURSIVE branch (id) AS (
        SELECT id FROM category WHERE name = 'Hall'
        UNION ALL SELECT category.id FROM category JOIN branch ON category.parent_id = branch.id
    )
    SELECT count(*) = 1 + 5 + 10 FROM branch
));
