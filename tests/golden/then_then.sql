WITH chain1_step1 AS (
  /* Sequence */
  SELECT
    e.contact,
    CAST(e.contact AS INT128) * 1152921504606846976 + EPOCH_US(e.ts) AS k
  FROM p1.event AS e
  WHERE
    e.type = 2 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1_step2 AS (
  SELECT
    e.contact,
    CAST(e.contact AS INT128) * 1152921504606846976 + EPOCH_US(e.ts) AS k
  FROM p1.event AS e
  WHERE
    e.type = 3 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1_step3 AS (
  SELECT
    e.contact,
    CAST(e.contact AS INT128) * 1152921504606846976 + EPOCH_US(e.ts) AS k
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
), chain1_before2 AS (
  SELECT
    a.contact,
    a.finish,
    b.k
  FROM (
    SELECT
      contact,
      k AS finish,
      k
    FROM chain1_step3
  ) AS a
  ASOF JOIN (
    SELECT
      *
    FROM chain1_step2
    WHERE
      contact IN (
        SELECT
          contact
        FROM chain1_step3
      )
  ) AS b
    ON b.k < a.k
  WHERE
    b.k + 1209600000000 >= a.finish
), chain1 AS (
  SELECT
    a.contact,
    a.finish,
    b.k
  FROM chain1_before2 AS a
  ASOF JOIN (
    SELECT
      *
    FROM chain1_step1
    WHERE
      contact IN (
        SELECT
          contact
        FROM chain1_before2
      )
  ) AS b
    ON b.k < a.k
  WHERE
    b.k + 1209600000000 >= a.finish
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
