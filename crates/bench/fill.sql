-- Fills `exam_attempts` with $1 rows. `hashint8` makes every row a function of its number, so that
-- two runs measure the same table. About half of the rows were taken in 2023 and 2024 and are due
-- on 2026-01-01; the other half in 2025 and 2026. Which half a row falls into has nothing to do
-- with its place, so due and live rows are mixed in every block.
insert into exam_attempts
select
    g,
    md5('L' || (hashint8(g) & 262143))::uuid,
    hashint8(g * 7) & 63,
    'EX-' || lpad((hashint8(g * 3) & 1023)::text, 4, '0'),
    (hashint8(g * 13) & 9999) / 100.0,
    (
        '{"v":1,"items":[' || (
            select string_agg(
                '{"q":' || k || ',"a":"' || substr(md5((g * 31 + k)::text), 1, 6)
                    || '","t":' || (hashint8(g + k) & 4095) || '}',
                ','
            )
            from generate_series(1, 5) as k
        ) || '],"note":"' || md5(g::text) || '"}'
    )::jsonb,
    case
        when hashint8(g * 17) & 1 = 1 then timestamptz '2023-01-01 00:00+09'
        else timestamptz '2025-01-01 01:00+09'
    end + ((hashint8(g * 19) & 2147483647) / 2147483648.0) * interval '730 days',
    ('10.' || (hashint8(g * 5) & 255) || '.' || (hashint8(g * 11) & 255) || '.' || (g & 255))::inet,
    'Mozilla/5.0 (X11; Linux x86_64; rv:' || (g % 40 + 90) || '.0) Gecko/20100101 Firefox/'
        || (g % 40 + 90) || '.0',
    null
from generate_series(1, $1::bigint) as g
