"""The languages that Whisper knows, and the other codes that people write for them."""

from __future__ import annotations

_WHISPER = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it ja
jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq
sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh
"""

# Codes that ISO 639-1 has changed, and those of what Whisper writes under another name.
_ALSO_WRITTEN = "jv=jw iw=he in=id ji=yi nb=no fil=tl mo=ro cmn=zh"

_ISO_639_3 = """
afr=af amh=am ara=ar arb=ar asm=as aze=az azj=az bak=ba bel=be bul=bg ben=bn bod=bo bre=br bos=bs cat=ca ces=cs cym=cy
dan=da deu=de ell=el eng=en spa=es est=et ekk=et eus=eu fas=fa pes=fa prs=fa fin=fi fao=fo fra=fr glg=gl guj=gu hau=ha
heb=he hin=hi hrv=hr hat=ht hun=hu hye=hy ind=id isl=is ita=it jpn=ja jav=jw kat=ka kaz=kk khm=km kan=kn kor=ko lat=la
ltz=lb lin=ln lao=lo lit=lt lav=lv lvs=lv mlg=mg plt=mg mri=mi mkd=mk mal=ml mon=mn khk=mn mar=mr msa=ms zsm=ms mlt=mt
mya=my nep=ne npi=ne nld=nl nno=nn nor=no nob=no oci=oc pan=pa pol=pl pus=ps pbt=ps por=pt ron=ro rus=ru san=sa snd=sd
sin=si slk=sk slv=sl sna=sn som=so sqi=sq srp=sr sun=su swe=sv swa=sw swh=sw tam=ta tel=te tgk=tg tha=th tuk=tk tgl=tl
tur=tr tat=tt ukr=uk urd=ur uzb=uz uzn=uz vie=vi yid=yi yor=yo zho=zh
"""

_ISO_639_2_B = """
alb=sq arm=hy baq=eu bur=my chi=zh cze=cs dut=nl fre=fr geo=ka ger=de gre=el ice=is mac=mk mao=mi may=ms per=fa rum=ro
slo=sk tib=bo wel=cy
"""

WHISPER_LANGUAGES = frozenset(_WHISPER.split())
"""ISO 639-1 codes, except for Cantonese (yue), Hawaiian (haw) and Javanese (jw, once its code)."""

_OTHER_CODES = dict(pair.split("=") for pair in f"{_ALSO_WRITTEN} {_ISO_639_3} {_ISO_639_2_B}".split())


def whisper_language(tag: str) -> str | None:
    """The model's code for an ISO 639 code or a BCP 47 tag ("en", "eng", "en-US"); None for one it does not know."""
    code = tag.replace("_", "-").partition("-")[0].lower()
    code = _OTHER_CODES.get(code, code)
    return code if code in WHISPER_LANGUAGES else None
