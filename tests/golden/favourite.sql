WITH frequent1_rows AS (
  /* Favourite */
  SELECT
    i.contact,
    NULLIF(LOWER(TRIM(i.brand)), '') AS v
  FROM p1.item AS i
  WHERE
    i.type = 1
    AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND NOT NULLIF(LOWER(TRIM(i.brand)), '') IS NULL
), frequent1 AS (
  SELECT
    contact
  FROM (
    SELECT
      contact,
      v,
      COUNT(*) AS n
    FROM frequent1_rows
    WHERE
      contact IN (
        SELECT
          contact
        FROM frequent1_rows
        WHERE
          v = 'nike'
      )
    GROUP BY
      contact,
      v
  ) AS r
  GROUP BY
    contact
  HAVING
    MAX(n) FILTER(WHERE
      v = 'nike') = MAX(n)
)
SELECT
  c.visitor_id
FROM p1.contact AS c
WHERE
  c.contact IN (
    SELECT
      contact
    FROM frequent1
  )
ORDER BY
  c.visitor_id ASC
