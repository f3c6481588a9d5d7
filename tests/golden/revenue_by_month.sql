SELECT
  value,
  total_order_value
FROM (
  SELECT
    DATE_TRUNC('month', e.ts) AS place,
    STRFTIME(DATE_TRUNC('month', e.ts), '%Y-%m') AS value,
    COALESCE(FSUM(e.order_value), 0) AS total_order_value
  FROM p1.event AS e
  WHERE
    e.type = 1 AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  GROUP BY
    DATE_TRUNC('month', e.ts),
    STRFTIME(DATE_TRUNC('month', e.ts), '%Y-%m')
) AS r
WHERE
  NOT total_order_value IS NULL
ORDER BY
  place ASC
