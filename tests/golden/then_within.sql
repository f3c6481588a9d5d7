WITH chain1_step1 AS (
  /* Sequence */
  SELECT
    e.contact,
    e.ts
  FROM p1.event AS e
  WHERE
    e.type = 2 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1_step2 AS (
  SELECT
    e.contact,
    e.ts
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1 AS (
  SELECT
    a.contact,
    a.start,
    b.ts
  FROM (
    SELECT
      contact,
      ts AS start,
      ts
    FROM chain1_step1
  ) AS a
  ASOF JOIN chain1_step2 AS b
    ON a.contact = b.contact AND a.ts < b.ts
  WHERE
    b.ts <= a.start + INTERVAL '7' DAY
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
