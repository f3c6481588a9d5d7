WITH did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 3
    AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND ISODOW(TIMEZONE('America/New_York', TIMEZONE('UTC', e.ts))) IN (6, 7)
    AND (
      CAST(TIMEZONE('America/New_York', TIMEZONE('UTC', e.ts)) AS TIME) >= CAST('22:00:00' AS TIME)
      OR CAST(TIMEZONE('America/New_York', TIMEZONE('UTC', e.ts)) AS TIME) < CAST('06:00:00' AS TIME)
    )
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
