WITH did1 AS (
  /* Has */
  SELECT
    i.contact
  FROM p1.item AS i
  WHERE
    i.type = 1
    AND i.ts >= CAST('2026-03-01 18:00:00' AS TIMESTAMP)
    AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND LOWER(TRIM(i.brand)) = 'nike'
)
SELECT
  c.visitor_id
FROM p1.contact AS c
WHERE
  c.contact IN (
    SELECT
      contact
    FROM did1
  )
ORDER BY
  c.visitor_id ASC
