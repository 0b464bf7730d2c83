{#
  The name of a ward or a unit above it as a key, the same for all writings of one name: "P. Hoà Hưng" and "PHƯỜNG HÒA
  HƯNG" are both `hoa2 hưng`, "P.15", "Phường 015" and "15" are `15`. The text is NFC, as raw always is. Of the 168 wards
  the map publisher writes 17 otherwise than the National Statistics Office; their keys are the same 168.

  - Gone: case, the kind of unit in front, punctuation, leading zeros.
  - A syllable is its letters without tone, then the digit of its tone (VNI: 1 sắc, 2 huyền, 3 hỏi, 4 ngã, 5 nặng): so
    the place of the tone does not matter, but the tone does (Thanh An and Thạnh An are two wards).
  - đ, ă, â, ê, ô, ơ and ư stay: they are letters of their own, with one place to stand in, and tell names apart (Tân,
    Tan). Ð and Ɖ, which look like Đ, are taken for it.
  - y is i where both are read the same: alone after a consonant (Mỹ, Mĩ; Lý, Lí) and after q (Quy, Qui). Elsewhere they
    are two sounds (Huy, Hui; Tay, Tai).
#}
{% macro name_key(expression) -%}
{%- set vowels = 'aăâeêioôơuưy' -%}
{%- set toned = 'áắấéếíóốớúứý' ~ 'àằầèềìòồờùừỳ' ~ 'ảẳẩẻểỉỏổởủửỷ' ~ 'ãẵẫẽễĩõỗỡũữỹ' ~ 'ạặậẹệịọộợụựỵ' -%}
{%- set digits = '1' * 12 ~ '2' * 12 ~ '3' * 12 ~ '4' * 12 ~ '5' * 12 -%}
{%- set kinds = 'phường|xã|thị trấn|đặc khu|quận|huyện|thị xã|thành phố|p|x|tt|đk|q|h|tx|tp' -%}
array_join(
    transform(
        split(
            regexp_replace(
                regexp_replace(
                    trim(
                        regexp_replace(
                            translate(lower({{ expression }}), 'ðɖ', 'đđ'),
                            '[^\\p{L}\\p{N}]+|(?<=\\p{L})(?=[0-9])',
                            ' '
                        )
                    ),
                    '^({{ kinds }}) (?=.)',
                    ''
                ),
                '(?<![0-9])0+(?=[0-9])',
                ''
            ),
            ' '
        ),
        syllable -> concat(
            regexp_replace(
                regexp_replace(translate(syllable, '{{ toned }}', '{{ vowels * 5 }}'), '^quy', 'qui'),
                '^([^{{ vowels }}]*)y$',
                '$1i'
            ),
            translate(regexp_replace(syllable, '[^{{ toned }}]', ''), '{{ toned }}', '{{ digits }}')
        )
    ),
    ' '
)
{%- endmacro %}
