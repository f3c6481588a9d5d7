WITH g1 AS (
  /* Spend */
  SELECT
    e.contact,
    FSUM(e.order_value) AS m1
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  GROUP BY
    e.contact
), mean1 AS (
  /* MeanOverContacts */
  SELECT
    AVG(value) AS value
  FROM (
    SELECT
      COALESCE(g1.m1, 0) AS value
    FROM p1.contact AS c
    LEFT JOIN g1
      ON g1.contact = c.contact
  ) AS r
  WHERE
    value > 0
)
SELECT
  c.visitor_id
FROM p1.contact AS c
LEFT JOIN g1
  ON g1.contact = c.contact
WHERE
  COALESCE(g1.m1, 0) > (
    (
      SELECT
        value
      FROM mean1
    )
  ) * 150 / 100
ORDER BY
  c.visitor_id ASC
