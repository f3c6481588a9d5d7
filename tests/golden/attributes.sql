SELECT
  c.visitor_id
FROM (
  SELECT
    *,
    attributes ->> '$."tags"' AS v1,
    attributes ->> '$."state"' AS v2
  FROM p1.contact
) AS c
WHERE
  CASE
    WHEN STARTS_WITH(c.v1, '[') AND JSON_VALID(c.v1)
    THEN LEN(
      LIST_FILTER(JSON_EXTRACT_STRING(c.v1, '$[*]'), LAMBDA x : LOWER(TRIM(x)) = 'vip')
    ) > 0
    ELSE LOWER(TRIM(c.v1)) = 'vip'
  END
  AND NOT (
    COALESCE(
      (
        LOWER(TRIM(c.a_0)) = 'pune'
        OR CASE
          WHEN STARTS_WITH(c.v2, '[') AND JSON_VALID(c.v2)
          THEN LEN(
            LIST_FILTER(JSON_EXTRACT_STRING(c.v2, '$[*]'), LAMBDA x : LOWER(TRIM(x)) = 'pune')
          ) > 0
          ELSE LOWER(TRIM(c.v2)) = 'pune'
        END
      ),
      FALSE
    )
  )
ORDER BY
  c.visitor_id ASC
