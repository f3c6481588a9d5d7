WITH did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), did2 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 2 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
)
SELECT
  COUNT(*) AS value
FROM p1.contact AS c
WHERE
  NOT (
    c.contact IN (
      SELECT
        contact
      FROM did1
    )
  )
  AND c.contact IN (
    SELECT
      contact
    FROM did2
  )
