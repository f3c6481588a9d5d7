WITH chain1_step1 AS (
  /* Sequence */
  SELECT
    e.contact,
    CAST(e.contact AS INT128) * 1152921504606846976 + EPOCH_US(e.ts) AS k
  FROM p1.event AS e
  WHERE
    e.type = 2 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1_absent AS (
  SELECT
    e.contact,
    CAST(e.contact AS INT128) * 1152921504606846976 + EPOCH_US(e.ts) AS k
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1 AS (
  SELECT
    a.contact
  FROM chain1_step1 AS a
  ASOF LEFT JOIN chain1_absent AS b
    ON a.k < b.k
  WHERE
    (
      b.k IS NULL OR b.k > a.k + 604800000000
    )
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
