"""Units of measure and money, with their spellings in the main languages.

Units of one dimension convert into each other exactly, so that 1000 g and 1 kg, or 60 minutes and 1 hour, are one
value.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple


class Unit(NamedTuple):
    """A unit: `amount * factor + offset` is the amount in the base unit of its dimension.

    `may_be`: the bases that the word stands for, if it may mean several, as "pounds" may be money or mass.
    """

    base: str
    factor: Fraction | int = 1
    offset: Fraction | int = 0
    may_be: frozenset[str] = frozenset()


_F = Fraction
# "base factor: spellings", where _ is a space and further lines are indented. A month is no number of days, and
# a working day is no day: they do not convert.
_TABLE = """
s 1: s sec secs second seconds sekunde sekunden seconde secondes secondi secondo segundo segundos seconden секунда
  секунды секунд 秒 秒钟 秒間 초 ثانية ثوان วินาที
s 1/1000: ms millisecond milliseconds millisekunden millisecondes milisegundos 毫秒 ミリ秒
s 60: min mins minute minutes minuten minuto minutos minuti minuut минута минуты минут минуту 分钟 分鐘 分間 분 دقيقة
  دقائق
  นาที 分
s 3600: h hr hrs hour hours stunde stunden heure heures hora horas ora ore uur uren час часа часов 小时 小時 時間
  个小时 個小時 시간
  ساعة ساعات ชั่วโมง
s 86400: d day days tag tage tagen jour jours día días dia dias giorno giorni dag dagen день дня дней 天 日間 日 일 يوم
  أيام يومًا วัน
s 604800: week weeks wk wks woche wochen semaine semaines semana semanas settimana settimane weken неделя недели
  недель неделю 周 星期 个星期 週間 週 주 أسبوع أسابيع สัปดาห์
month 1: month months monat monate monaten mois mes meses mês mese mesi maand maanden месяц месяца месяцев 个月 個月
  か月 ヶ月
  カ月 개월 شهر أشهر เดือน
month 12: year years yr yrs jahr jahre jahren ans année années año años ano anos anno anni jaar год года лет 年 年間 년
  سنة سنوات عام ปี
month 120: decade decades jahrzehnt jahrzehnte décennie décennies década décadas
month 1200: century centuries jahrhundert jahrhunderte siècle siècles siglo siglos
workday 1: business_day business_days working_day working_days werktag werktage werktagen arbeitstag arbeitstage
  arbeitstagen jour_ouvrable jours_ouvrables jours_ouvrés día_hábil días_hábiles días_laborables giorni_lavorativi
  dias_úteis werkdagen рабочих_дней рабочих_дня рабочий_день 个工作日 個工作日 工作日 営業日 영업일
m 1/1000: mm millimeter millimeters millimetre millimetres millimètres milímetros миллиметр миллиметров 毫米 ミリ
m 1/100: cm centimeter centimeters centimetre centimetres zentimeter centimètres centímetros centimetri сантиметр
  сантиметра сантиметров см 厘米 公分 センチ
m 1: m meter meters metre metres metern mètre mètres metros metri метр метра метров м 米 公尺 メートル 미터 متر เมตร
m 1000: km kms kilometer kilometers kilometre kilometres kilometern kilomètre kilomètres kilómetro kilómetros
  quilômetro quilômetros chilometro chilometri километр километра километров км 公里 千米 キロメートル 킬로미터
  كيلومتر กิโลเมตร
m 1609.344: mi mile miles meile meilen milla millas milha milhas mijl миля миль мили 英里 マイル 마일
m 0.9144: yd yard yards
m 0.3048: ft foot feet fuß pied pieds pés фут футов 英尺 フィート
m 0.0254: inch inches zoll pouce pouces pulgada pulgadas polegadas дюйм дюймов 英寸 インチ
g 1/1000: mg milligram milligrams milligramm milligrammes miligramos миллиграмм мг 毫克 ミリグラム
g 1: g gram grams gramme grammes gramm gramo gramos grama gramas grammo grammi грамм грамма граммов г 克 グラム 그램
  غرام
  กรัม
g 1000: kg kgs kilogram kilograms kilogramme kilogrammes kilogramm kilo kilos kilogramo kilogramos quilo quilos
  quilogramas chilo chilogrammi килограмм килограмма килограммов кг 千克 公斤 キログラム キロ 킬로그램 كيلوغرام
  กิโลกรัม
g 1000000: t ton tons tonne tonnes tonnen toneladas tonelada tonnellate тонна тонны тонн 吨 トン 톤
g 453.59237: lb lbs
g 28.349523125: oz ounce ounces unze unzen onzas унция унций
l 1/1000: ml milliliter milliliters millilitre millilitres mililitros миллилитров мл 毫升 ミリリットル
l 1/100: cl
l 1: l liter liters litre litres litern litro litros litri литр литра литров л 升 リットル 리터 لتر ลิตร
l 3.785411784: gal gallon gallons gallonen 加仑 ガロン
m2 1: m² m2 sqm square_meter square_meters square_metre square_metres quadratmeter mètres_carrés metros_cuadrados
  metros_quadrados metri_quadrati кв.м 平方米 平方メートル
m2 1000000: km² km2 square_kilometer square_kilometers square_kilometre square_kilometres quadratkilometer
  kilomètres_carrés kilómetros_cuadrados 平方公里 平方キロメートル
m2 0.09290304: sqft square_feet square_foot
m2 10000: ha hectare hectares hektar 公顷
m2 4046.8564224: acre acres
m3 1: m³ m3 cubic_meter cubic_meters cubic_metre cubic_metres kubikmeter mètres_cubes 立方米
m3 0.028316846592: cubic_feet cubic_foot
m/s 1: m/s
m/s 5/18: km/h kmh kph 公里/小时
m/s 0.44704: mph
byte 1: byte bytes
byte 1000: kb kilobyte kilobytes
byte 1000000: mb megabyte megabytes
byte 1000000000: gb gigabyte gigabytes
byte 1000000000000: tb terabyte terabytes
W 1: w watt watts
W 1000: kw kilowatt kilowatts
J 1: joule joules
J 3600000: kwh
cal 1: kcal calorie calories kalorien calorías
V 1: v volt volts
Hz 1: hz hertz
Hz 1000000: mhz
Hz 1000000000: ghz
% 1: % ％ ٪ percent per_cent prozent pour_cent por_ciento por_cento per_cento procent процент процента процентов
  パーセント
  퍼센트 بالمئة เปอร์เซ็นต์
point 1: percentage_point percentage_points prozentpunkt prozentpunkte
° 1: ° degree degrees grad degrés grados градус градуса градусов 度
°C 1: °c ℃ degrees_celsius degree_celsius grad_celsius degrés_celsius grados_celsius celsius 摄氏度
K 1: kelvin
USD 1: $ ＄ us$ usd dollar dollars dollaro dollari dólar dólares доллар доллара долларов бакс 美元 ドル 달러 دولار
  ดอลลาร์
  buck bucks
EUR 1: € eur euro euros евро 欧元 歐元 ユーロ 유로 يورو ยูโร
GBP 1: £ gbp pfund_sterling pounds_sterling pound_sterling 英镑 英鎊 ポンド
INR 1: ₹ inr rupee rupees rs रुपये रुपए 卢比
RUB 1: ₽ rub рубль рубля рублей руб
JPY 1: jpy yen 円 日元 日圓 엔
CNY 1: cny rmb yuan 元 人民币 块 块钱
KRW 1: ₩ krw 원 韩元 ウォン
THB 1: ฿ thb baht บาท
CHF 1: chf franken francs francos franc
BRL 1: r$ brl reais
CAD 1: c$ ca$ cad
AUD 1: a$ au$ aud
cent 1: cent cents ¢ centavos центов 美分 セント
penny 1: pence
"""


def _parse(number: str) -> Fraction | int:
    factor = _F(number)
    return int(factor) if factor.denominator == 1 else factor


def _read_table() -> dict[str, Unit]:
    units = {}
    for line in _TABLE.strip().replace("\n  ", " ").splitlines():
        head, _, spellings = line.partition(": ")
        base, factor = head.split()
        unit = Unit(base, _parse(factor))
        for spelling in spellings.split():
            units[spelling.replace("_", " ")] = unit
    for spelling in ("°f", "℉", "degrees fahrenheit", "degree fahrenheit", "grad fahrenheit", "fahrenheit", "华氏度"):
        units[spelling] = Unit("°C", _F(5, 9), _F(-160, 9))
    for spelling in ("pound", "pounds", "pfund", "libras", "фунт", "фунтов"):
        units[spelling] = Unit("pound", may_be=frozenset({"g", "GBP"}))
    for spelling in ("¥", "￥"):
        units[spelling] = Unit("¥", may_be=frozenset({"JPY", "CNY"}))
    return units


UNITS = _read_table()
CURRENCY_SIGNS = "$＄€£¥￥₹₽₩฿"
MONEY = frozenset(
    {"USD", "EUR", "GBP", "INR", "RUB", "JPY", "CNY", "KRW", "THB", "CHF", "BRL", "CAD", "AUD", "¥", "cent"}
)
