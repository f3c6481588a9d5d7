WITH periods1 AS (
  /* ActiveBlocks */
  SELECT
    e.contact,
    CAST(BIT_COUNT(
      BIT_OR(
        CAST(1 AS BIGINT) << (
          (
            1774980000000000 - EPOCH_US(e.ts)
          ) // 604800000000
        )
      )
    ) AS BIGINT) AS value
  FROM p1.event AS e
  WHERE
    e.type = 3
    AND e.ts >= CAST('2026-03-03 18:00:00.000001' AS TIMESTAMP)
    AND e.ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  GROUP BY
    e.contact
)
SELECT
  c.visitor_id
FROM p1.contact AS c
LEFT JOIN periods1
  ON periods1.contact = c.contact
WHERE
  COALESCE(periods1.value, 0) >= 3
ORDER BY
  c.visitor_id ASC
