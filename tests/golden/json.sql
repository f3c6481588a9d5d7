WITH did1 AS (
  /* Has */
  SELECT
    e.contact
  FROM (
    SELECT
      *,
      COALESCE(
        properties ->> '$."device"."kind"',
        properties ->> '$."device.kind"',
        CASE
          WHEN JSON_TYPE(properties, '$."device"') = 'ARRAY'
          THEN CAST(TO_JSON(JSON_EXTRACT(properties, '$."device"[*]."kind"')) AS TEXT)
        END
      ) AS v1
    FROM p1.event
    WHERE
      type = 3 AND ts <= CAST('2026-03-31 18:00:00' AS TIMESTAMP)
  ) AS e
  WHERE
    CASE
      WHEN STARTS_WITH(e.v1, '[') AND JSON_VALID(e.v1)
      THEN LEN(
        LIST_FILTER(
          JSON_EXTRACT_STRING(e.v1, '$[*]'),
          LAMBDA x : (
            LOWER(TRIM(x)) IN ('7', 'mobile')
            OR TRY_CAST(REPLACE(
              REGEXP_EXTRACT(
                REGEXP_REPLACE(
                  x,
                  '^[ \t\r\n\f\v  ]*(?:USD|EUR|GBP|INR|JPY|CNY|AUD|CAD|CHF|SGD|HKD|NZD|SEK|NOK|DKK|ZAR|BRL|MXN|AED|SAR|KRW|RUB|TRY|THB|IDR|MYR|PHP|VND|PLN|CZK|HUF|ILS|NGN|KES|EGP|PKR|BDT|LKR|NPR|Rs\.?|rs\.?)|(?:USD|EUR|GBP|INR|JPY|CNY|AUD|CAD|CHF|SGD|HKD|NZD|SEK|NOK|DKK|ZAR|BRL|MXN|AED|SAR|KRW|RUB|TRY|THB|IDR|MYR|PHP|VND|PLN|CZK|HUF|ILS|NGN|KES|EGP|PKR|BDT|LKR|NPR|Rs\.?|rs\.?)[ \t\r\n\f\v  ]*$|[ \t\r\n\f\v  ]|[$€£¥₹₽₩₺₫₦₱฿₴₪]',
                  '',
                  'g'
                ),
                '^(?:[+-]?(?:(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})(?:[.][0-9]+)?|[.][0-9]+)(?:[eE][+-]?[0-9]{1,2})?)$'
              ),
              ',',
              ''
            ) AS DOUBLE) = 7
          )
        )
      ) > 0
      ELSE (
        LOWER(TRIM(e.v1)) IN ('7', 'mobile')
        OR TRY_CAST(REPLACE(
          REGEXP_EXTRACT(
            REGEXP_REPLACE(
              e.v1,
              '^[ \t\r\n\f\v  ]*(?:USD|EUR|GBP|INR|JPY|CNY|AUD|CAD|CHF|SGD|HKD|NZD|SEK|NOK|DKK|ZAR|BRL|MXN|AED|SAR|KRW|RUB|TRY|THB|IDR|MYR|PHP|VND|PLN|CZK|HUF|ILS|NGN|KES|EGP|PKR|BDT|LKR|NPR|Rs\.?|rs\.?)|(?:USD|EUR|GBP|INR|JPY|CNY|AUD|CAD|CHF|SGD|HKD|NZD|SEK|NOK|DKK|ZAR|BRL|MXN|AED|SAR|KRW|RUB|TRY|THB|IDR|MYR|PHP|VND|PLN|CZK|HUF|ILS|NGN|KES|EGP|PKR|BDT|LKR|NPR|Rs\.?|rs\.?)[ \t\r\n\f\v  ]*$|[ \t\r\n\f\v  ]|[$€£¥₹₽₩₺₫₦₱฿₴₪]',
              '',
              'g'
            ),
            '^(?:[+-]?(?:(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})(?:[.][0-9]+)?|[.][0-9]+)(?:[eE][+-]?[0-9]{1,2})?)$'
          ),
          ',',
          ''
        ) AS DOUBLE) = 7
      )
    END
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
