WITH g1 AS (
  SELECT
    contact,
    last AS m1
  FROM p1.state
  WHERE
    type = 2
), g2 AS (
  SELECT
    contact,
    last AS m1
  FROM p1.state
  WHERE
    type = 1
), chain1_step1 AS (
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
), chain1_settled AS (
  SELECT
    a.contact
  FROM g1 AS a
  LEFT JOIN g2 AS b
    ON a.contact = b.contact
  WHERE
    NOT a.m1 IS NULL AND (
      b.m1 IS NULL OR b.m1 <= a.m1
    )
), chain1 AS (
  SELECT
    contact
  FROM chain1_settled
  UNION ALL
  SELECT
    a.contact
  FROM (
    SELECT
      *
    FROM chain1_step1
    WHERE
      NOT contact IN (
        SELECT
          contact
        FROM chain1_settled
      )
  ) AS a
  ASOF LEFT JOIN (
    SELECT
      *
    FROM chain1_absent
    WHERE
      NOT contact IN (
        SELECT
          contact
        FROM chain1_settled
      )
  ) AS b
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
