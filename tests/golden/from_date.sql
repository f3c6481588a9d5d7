WITH did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM p1.event AS e
  WHERE
    e.type = 1
    AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
    AND e.event IN (
      SELECT
        e.event
      FROM p1.event AS e
      JOIN (
        SELECT
          *,
          attributes ->> '$."signup_date"' AS v1
        FROM p1.contact
      ) AS c
        ON c.contact = e.contact
      WHERE
        e.type = 1
        AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
        AND CASE
          WHEN REGEXP_FULL_MATCH(TRIM(c.v1), '\d{4}-\d{2}-\d{2}')
          THEN CAST(e.ts AS DATE) >= TRY_CAST(TRIM(c.v1) AS DATE)
          AND CAST(e.ts AS DATE) <= CAST(CAST(TRY_CAST(TRIM(c.v1) AS DATE) AS TIMESTAMP) + INTERVAL '7' DAY AS DATE)
          ELSE e.ts > CASE
            WHEN REGEXP_MATCHES(TRIM(c.v1), ':\d{2}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$')
            THEN TIMEZONE('UTC', TRY_CAST(TRIM(c.v1) AS TIMESTAMPTZ))
            ELSE TRY_CAST(TRIM(c.v1) AS TIMESTAMP)
          END
          AND e.ts <= CASE
            WHEN REGEXP_MATCHES(TRIM(c.v1), ':\d{2}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$')
            THEN TIMEZONE('UTC', TRY_CAST(TRIM(c.v1) AS TIMESTAMPTZ))
            ELSE TRY_CAST(TRIM(c.v1) AS TIMESTAMP)
          END + INTERVAL '7' DAY
        END
    )
)
SELECT
  c.visitor_id
FROM p1.contact AS c
WHERE
  c.contact IN (
    SELECT
      contact
    FROM did1
  )
ORDER BY
  c.visitor_id ASC
