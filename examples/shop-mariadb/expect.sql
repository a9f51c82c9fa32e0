-- What the checks call. MariaDB has no ASSERT: an error is what a condition that does not hold has to be made into.

DELIMITER $$

CREATE PROCEDURE expect(holds boolean)
BEGIN
    IF holds IS NOT TRUE THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'what is expected does not hold';
    END IF;
END$$

-- Runs a statement that must fail.
CREATE PROCEDURE refused(statement text)
BEGIN
    DECLARE failed boolean DEFAULT false;
    BEGIN
        DECLARE CONTINUE HANDLER FOR SQLEXCEPTION SET failed = true;
        EXECUTE IMMEDIATE statement;
    END;
    CALL expect(failed);
END$$
