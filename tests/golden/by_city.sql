WITH shown AS (
  SELECT
    contact,
    COALESCE(NULLIF(LOWER(TRIM(x)), ''), 'unknown') AS key,
    TRIM(x) AS text
  FROM (
    SELECT
      c.contact,
      c.a_0 AS x
    FROM p1.contact AS c
  ) AS r
)
SELECT
  CASE WHEN k.key = 'unknown' THEN 'unknown' ELSE l.label END AS value,
  k.average_order_value AS average_order_value
FROM (
  SELECT
    key,
    FAVG(amount) AS average_order_value
  FROM (
    SELECT DISTINCT
      key,
      contact
    FROM shown
  ) AS v
  LEFT JOIN (
    SELECT
      e.contact,
      e.event,
      e.order_value AS amount
    FROM p1.event AS e
    WHERE
      e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  ) AS f
    ON f.contact = v.contact
  GROUP BY
    key
  HAVING
    NOT FAVG(amount) IS NULL
) AS k
JOIN (
  SELECT
    key,
    FIRST(text ORDER BY n DESC, text ASC) AS label
  FROM (
    SELECT
      key,
      text,
      COUNT(*) AS n
    FROM shown
    GROUP BY
      key,
      text
  ) AS r
  GROUP BY
    key
) AS l
  ON l.key = k.key
ORDER BY
  k.key = 'unknown' ASC,
  k.key ASC
