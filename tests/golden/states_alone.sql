WITH g1 AS (
  SELECT
    contact,
    last AS m1
  FROM p1.state
  WHERE
    type = -1
), did1 AS (
  SELECT
    contact
  FROM p1.state
  WHERE
    type = 1
)
SELECT
  c.visitor_id
FROM p1.contact AS c
LEFT JOIN g1
  ON g1.contact = c.contact
WHERE
  g1.m1 >= CAST('2026-01-30 18:00:00' AS TIMESTAMP)
  AND g1.m1 <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  AND NOT (
    c.contact IN (
      SELECT
        contact
      FROM did1
    )
  )
ORDER BY
  c.visitor_id ASC
