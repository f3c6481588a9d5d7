WITH chain1_step1 AS (
  /* Sequence */
  SELECT
    i.contact,
    i.ts,
    NULLIF(LOWER(TRIM(i.product_id)), '') AS v
  FROM p1.item AS i
  WHERE
    i.type = 2
    AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND NOT NULLIF(LOWER(TRIM(i.product_id)), '') IS NULL
), chain1_absent AS (
  SELECT
    i.contact,
    i.ts,
    NULLIF(LOWER(TRIM(i.product_id)), '') AS v
  FROM p1.item AS i
  WHERE
    i.type = 1
    AND i.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND NOT NULLIF(LOWER(TRIM(i.product_id)), '') IS NULL
), chain1_last AS (
  SELECT
    b.contact,
    b.v,
    MIN(b.ts) AS start,
    MAX(b.ts) AS ts
  FROM chain1_step1 AS b
  GROUP BY
    b.contact,
    b.v
), chain1 AS (
  SELECT
    a.contact
  FROM chain1_last AS a
  ANTI JOIN chain1_absent AS b
    ON a.contact = b.contact AND a.v = b.v AND a.ts < b.ts
)
SELECT
  c.visitor_id
FROM p1.contact AS c
WHERE
  c.contact IN (
    SELECT
      contact
    FROM chain1
  )
ORDER BY
  c.visitor_id ASC
