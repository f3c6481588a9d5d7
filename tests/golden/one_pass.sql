WITH g1 AS (
  /* Spend */
  /* Events */
  /* Has */
  SELECT
    e.contact,
    FSUM(e.order_value) AS m1,
    MAX(e.ts) AS m2,
    COUNT(*) FILTER(WHERE
      e.ts >= CAST('2026-03-01 18:00:00' AS TIMESTAMP)
      AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)) AS m3
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  GROUP BY
    e.contact
)
SELECT
  c.visitor_id,
  c.a_0 AS "city",
  COALESCE(g1.m1, 0) AS "spend",
  TIMEZONE('UTC', g1.m2) AS "last_order_completed"
FROM p1.contact AS c
LEFT JOIN g1
  ON g1.contact = c.contact
WHERE
  COALESCE(g1.m3, 0) >= 1 AND COALESCE(g1.m1, 0) > 500
ORDER BY
  COALESCE(g1.m1, 0) DESC,
  c.visitor_id ASC
LIMIT 10
