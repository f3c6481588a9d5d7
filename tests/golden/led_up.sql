WITH ledup1_to AS (
  /* LedUp */
  SELECT
    a.*
  FROM (
    SELECT
      e.contact,
      e.ts
    FROM p1.event AS e
    WHERE
      e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  ) AS a
  SEMI JOIN (
    SELECT
      e.contact,
      MIN(e.ts) AS ts
    FROM p1.event AS e
    WHERE
      e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    GROUP BY
      e.contact
  ) AS b
    ON a.contact = b.contact AND a.ts = b.ts
), ledup1 AS (
  SELECT
    b.contact
  FROM ledup1_to AS b
  ASOF LEFT JOIN (
    SELECT
      contact,
      ts,
      COUNT(*) OVER (PARTITION BY contact ORDER BY ts ASC) AS n
    FROM (
      SELECT DISTINCT
        e.event,
        e.contact,
        e.ts
      FROM p1.event AS e
      WHERE
        e.type = 3 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    ) AS r
  ) AS a
    ON b.contact = a.contact AND b.ts > a.ts
  WHERE
    COALESCE(a.n, 0) >= 3
)
SELECT
  c.visitor_id
FROM p1.contact AS c
WHERE
  c.contact IN (
    SELECT
      contact
    FROM ledup1
  )
ORDER BY
  c.visitor_id ASC
