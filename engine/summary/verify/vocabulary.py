"""Words by themselves: the few that say nothing, and those whose refusal deserves a better reason than "unknown"."""

from typing import Final

from phenostream.engine.summary.verify.fault import FaultKind


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


GLUE: Final = _words("a an the and with also plus beside besides while whereas , ; : ( ) -")
"""They join claims and make none. No verb is among them, no negation, no comparison, no hedge, and neither "of" nor
"in": what joins two claims into a third must be part of a phrase that is checked."""
FRESH: Final = _words("; while whereas")
"""Behind these a phrase is about the whole population again."""

DIAGNOSES: Final = _words(
    """
    abnormal abnormality acute aggressive allergy allergic anaemia anemia autoimmune bacterial benign
    biopsy cancer cancerous carcinoma chronic clinical clinically clinician condition cure cytopenia
    deficiency diagnose diagnosed diagnoses diagnostic diagnosis disease diseased disorder doctor donor
    dose drug emergency eosinophilia fever granulocytosis healthy hospital ill illness immune
    immunodeficiency immunity indicate indicates infected infection infections infectious inflammation
    inflammatory inflamed leukaemia leukaemic leukemia leukemic leukocytosis leukopenia lymphocytosis
    lymphoma lymphopenia lymphoid malignancy malignant medical medication monocytosis myeloid myeloma
    neutropenia neutrophilia normal normality parasite parasitic pathological pathology patient patients
    physician positive negative prognosis recommend recommended refer reactive remission risk sepsis
    septic sick suggest suggests suggesting suggestive suspicious symptom symptoms syndrome therapy
    thrombocytopenia treat treated treatment treatments tumor tumour unhealthy urgent viral virus
    """
)
CELL_TYPES: Final = _words(
    """
    band bands basophil blast blasts basophils dendritic eosinophil eosinophils epithelial erythroblast
    erythroblasts erythrocyte erythrocytes fibroblast fibroblasts granulocyte granulocytes histiocyte
    histiocytes killer leukocyte leukocytes lymphoblast lymphoblasts lymphocyte lymphocytes macrophage
    macrophages mast megakaryocyte megakaryocytes metamyelocyte metamyelocytes monoblast monocyte
    monocytes myeloblast myeloblasts myelocyte myelocytes neutrophil neutrophils nk normoblast plasma
    plasmablast platelet platelets polymorphonuclear promyelocyte promyelocytes red reticulocyte
    reticulocytes stem t-cell t-cells b-cell b-cells thrombocyte thrombocytes tumour-cell
    """
)
UNITS: Final = _words(
    """
    au degrees dl fl hour hours kg l litre liter litres liters mfi mg micrometer micrometers micrometre
    micrometres microliter microlitre micron microns millilitre milliliter millimeter millimetre minute
    minutes ml mm mol molar nanometer nanometers nanometre nm per pg pixel pixels ppm second seconds
    square ul um volume volts
    """
)
_REASONS: Final[tuple[tuple[frozenset[str], FaultKind, str], ...]] = (
    (DIAGNOSES, "diagnosis", "no word of health, of its causes or of what to do"),
    (CELL_TYPES, "cell type", "the classes of the facts"),
    (UNITS, "unit", "the unit of the facts, and %"),
)


def kind_of(word: str) -> tuple[FaultKind, str]:
    """Why a word that no rule reads is refused, and what would be allowed."""
    for words, kind, allowed in _REASONS:
        if word in words:
            return kind, allowed
    return "word", "words that claim nothing but facts"
