WITH g1 AS (
  /* Has */
  /* Has */
  SELECT
    i.contact,
    COUNT(*) FILTER(WHERE
      LOWER(TRIM(i.brand)) = 'nike') AS m1,
    COUNT(*) FILTER(WHERE
      LOWER(TRIM(i.brand)) = 'puma') AS m2
  FROM p1.item AS i
  WHERE
    i.type = 1
    AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND (
      LOWER(TRIM(i.brand)) = 'nike' OR LOWER(TRIM(i.brand)) = 'puma'
    )
  GROUP BY
    i.contact
), did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 3 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
)
SELECT
  c.visitor_id
FROM p1.contact AS c
LEFT JOIN g1
  ON g1.contact = c.contact
WHERE
  (
    CAST(COALESCE(g1.m1, 0) >= 1 AS INT) + CAST(COALESCE(g1.m2, 0) >= 1 AS INT) + CAST(c.contact IN (
      SELECT
        contact
      FROM did1
    ) AS INT)
  ) >= 2
ORDER BY
  c.visitor_id ASC
