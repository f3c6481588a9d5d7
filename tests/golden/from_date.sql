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
          c.contact,
          CASE
            WHEN REGEXP_FULL_MATCH(TRIM(c.v1), '\d{4}-\d{2}-\d{2}')
            THEN TRY_CAST(TRIM(c.v1) AS DATE)
            ELSE NULL
          END AS day,
          CASE
            WHEN REGEXP_FULL_MATCH(TRIM(c.v1), '\d{4}-\d{2}-\d{2}')
            THEN NULL
            ELSE CASE
              WHEN REGEXP_MATCHES(TRIM(c.v1), ':\d{2}(\.\d+)?([zZ]|[+-]\d{2}(:?\d{2})?)$')
              THEN TIMEZONE('UTC', TRY_CAST(TRIM(c.v1) AS TIMESTAMPTZ))
              ELSE TRY_CAST(TRIM(c.v1) AS TIMESTAMP)
            END
          END AS "at"
        FROM (
          SELECT
            *,
            attributes ->> '$."signup_date"' AS v1
          FROM p1.contact
        ) AS c
      ) AS d
        ON d.contact = e.contact
      WHERE
        e.type = 1
        AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
        AND (
          (
            CAST(e.ts AS DATE) >= d.day
            AND CAST(e.ts AS DATE) <= CAST(CAST(d.day AS TIMESTAMP) + INTERVAL '7' DAY AS DATE)
          )
          OR (
            e.ts > d."at" AND e.ts <= d."at" + INTERVAL '7' DAY
          )
        )
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
