WITH did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 1
    AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND NOT e.event IN (
      SELECT
        i.event
      FROM p1.item AS i
      WHERE
        i.type = 1 AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
      GROUP BY
        i.event
      HAVING
        NOT (
          SUM(COALESCE(i.quantity, 1)) < 3
        )
    )
    AND e.event IN (
      SELECT
        i.event
      FROM p1.item AS i
      WHERE
        i.type = 1 AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
      GROUP BY
        i.event
      HAVING
        BOOL_AND(COALESCE(LOWER(TRIM(i.brand)) = 'nike', FALSE))
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
