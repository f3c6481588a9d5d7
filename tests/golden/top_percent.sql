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
), rank1 AS (
  /* Rank */
  SELECT
    contact,
    place
  FROM (
    SELECT
      contact,
      ROW_NUMBER() OVER (ORDER BY value DESC, visitor_id ASC) AS place,
      COUNT(*) OVER () AS ranked
    FROM (
      SELECT
        c.contact,
        c.visitor_id,
        COALESCE(g1.m1, 0) AS value
      FROM p1.contact AS c
      LEFT JOIN g1
        ON g1.contact = c.contact
      WHERE
        NOT (
          COALESCE(TRIM(c.a_1), '') = ''
        ) AND COALESCE(g1.m1, 0) > 0
    ) AS r
  ) AS r
  WHERE
    place <= CEIL(ranked * 10 / 100)
)
SELECT
  c.visitor_id
FROM p1.contact AS c
JOIN rank1
  ON rank1.contact = c.contact
ORDER BY
  rank1.place ASC,
  c.visitor_id ASC
