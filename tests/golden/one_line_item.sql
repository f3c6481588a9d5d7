WITH did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 1
    AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND LOWER(TRIM(e.p_coupon)) = 'save10'
    AND e.event IN (
      SELECT
        i.event
      FROM p1.item AS i
      WHERE
        i.type = 1
        AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
        AND LOWER(TRIM(i.brand)) = 'nike'
    )
), population AS (
  SELECT
    c.contact
  FROM p1.contact AS c
  WHERE
    c.contact IN (
      SELECT
        contact
      FROM did1
    )
)
SELECT
  COUNT(DISTINCT i.event) AS value
FROM p1.item AS i
WHERE
  i.type = 1
  AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  AND LOWER(TRIM(i.brand)) = 'nike'
  AND i.contact IN (
    SELECT
      contact
    FROM population
  )
