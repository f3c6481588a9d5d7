WITH g1 AS (
  SELECT
    contact,
    FSUM(m1) AS m1
  FROM (
    SELECT
      contact,
      worth AS m1
    FROM p1.state
    WHERE
      type = 1
    UNION ALL
    SELECT
      contact,
      order_value AS m1
    FROM p1.event
    WHERE
      type = 1 AND ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP) AND event > 99
    UNION ALL
    SELECT
      contact,
      order_value AS m1
    FROM p1.event
    WHERE
      type = 1
      AND ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
      AND event <= 99
      AND ts > CAST('2026-03-31 17:00:00' AS TIMESTAMP)
  ) AS r
  GROUP BY
    contact
)
SELECT
  c.visitor_id
FROM p1.contact AS c
LEFT JOIN g1
  ON g1.contact = c.contact
WHERE
  COALESCE(g1.m1, 0) > 500
ORDER BY
  c.visitor_id ASC
