WITH population AS (
  SELECT
    c.contact
  FROM p1.contact AS c
  WHERE
    LOWER(TRIM(c.a_1)) = 'gold'
), shown AS (
  SELECT
    contact,
    COALESCE(NULLIF(LOWER(TRIM(x)), ''), 'unknown') AS key,
    TRIM(x) AS text
  FROM (
    SELECT
      i.contact,
      i.brand AS x
    FROM p1.item AS i
    WHERE
      i.type = 1
      AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
      AND i.contact IN (
        SELECT
          contact
        FROM population
      )
  ) AS r
  WHERE
    NOT NULLIF(LOWER(TRIM(x)), '') IS NULL
)
SELECT
  l.label AS value,
  k.count AS count
FROM (
  SELECT
    key,
    COUNT(DISTINCT contact) AS count
  FROM shown
  GROUP BY
    key
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
  k.count DESC,
  k.key ASC
LIMIT 5
